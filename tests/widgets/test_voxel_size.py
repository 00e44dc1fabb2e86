import pytest

from sparseseg.widgets.voxel_size import VoxelSizeField


@pytest.fixture
def field(qtbot) -> VoxelSizeField:
    field = VoxelSizeField()
    qtbot.addWidget(field)
    field.show_size((2.0, 0.7265625, 0.7265625), "mm")
    return field


@pytest.fixture
def told(field) -> list:
    told: list = []
    field.changed.connect(lambda spacing, unit: told.append((spacing, unit)))
    return told


def test_the_edges_are_shown_with_their_axes_and_unit(field):
    texts = [edge.text() for edge in field.edges]
    assert texts == ["2", "0.7265625", "0.7265625"]
    assert [edge.toolTip()[-1] for edge in field.edges] == ["z", "y", "x"]
    assert field.unit.currentText() == "mm"


def test_a_typed_edge_is_told_with_the_others_as_they_were(field, told):
    field.edges[0].setValue(1.5)

    assert told == [((1.5, 0.7265625, 0.7265625), "mm")]


def test_another_unit_is_told(field, told):
    field.unit.setCurrentIndex(field.unit.findData("um"))

    assert told == [((2.0, 0.7265625, 0.7265625), "um")]


def test_showing_a_size_tells_nothing(field, told):
    field.show_size((1.0, 1.0, 1.0), "pixel")

    assert told == []


def test_small_edges_keep_their_digits(field, told):
    field.edges[2].setValue(0.000123)

    assert told[0][0][2] == pytest.approx(0.000123)
