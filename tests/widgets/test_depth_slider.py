import pytest

from sparseseg.session.events import Depths
from sparseseg.widgets.depth_slider import DepthSlider


@pytest.fixture
def slider(qtbot, session, desk, messages) -> DepthSlider:
    slider = DepthSlider(session, desk.relay, messages)
    qtbot.addWidget(slider)
    return slider


def told(session, *available: int, chosen: int | None = None) -> None:
    session.events.depths.emit(Depths(available, chosen))


def test_it_is_hidden_where_a_model_has_one_depth(slider, session):
    assert slider.isHidden()
    told(session, 1, 2, 3, 4)
    assert not slider.isHidden()
    told(session)
    assert slider.isHidden()


def test_the_whole_network_is_at_the_right_end(slider, session):
    told(session, 1, 2, 3, 4)
    assert (slider.slider.value(), slider.words.text()) == (4, "whole")


def test_each_depth_is_told_with_its_size_and_its_score(slider, session):
    session.events.depths.emit(
        Depths((1, 2), None, (100_961, 2_204_961), (0.612, None))
    )
    assert slider.table.text().splitlines() == [
        "L1: 101 thousand weights, held-out Dice 0.61",
        "L2: 2.2 million weights",
    ]


def test_moving_it_prunes_and_showing_a_depth_does_not(slider, session):
    told(session, 1, 2, 3, 4, chosen=2)
    assert (slider.slider.value(), slider.words.text()) == (1, "L2")
    assert session.called("prune") == 0
    slider.slider.setValue(0)
    slider.slider.setValue(4)
    assert [call for call in session.calls if call[0] == "prune"] == [
        ("prune", 1),
        ("prune", None),
    ]
