"""Proposals are accepted by slice, region or class, and never overwrite a stroke."""

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.files import write_labels
from sparseseg.data.volume import Volume
from sparseseg.widgets.proposal_panel import ProposalPanel
from sparseseg.widgets.slices import SliceView
from tests.widgets.conftest import SHAPE


@pytest.fixture
def panel(opened, messages, qtbot) -> ProposalPanel:
    panel = ProposalPanel(opened, messages)
    qtbot.addWidget(panel)
    yield panel
    panel.close()


def propose(panel, qtbot, source: str) -> None:
    panel.source.setCurrentText(source)
    panel.make.click()
    qtbot.waitUntil(lambda: panel.proposals.layer is not None)


def layer_of(opened, *boxes) -> np.ndarray:
    """Propose class 1 in boxes of slice z 3, from a layer made elsewhere."""
    labels = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        labels[3][box] = 1
    opened.viewer.add_labels(labels, name="made elsewhere")
    return labels


LEFT, RIGHT = np.s_[5:10, 5:10], np.s_[5:10, 20:30]


def test_a_layer_made_elsewhere_is_accepted_slice_by_slice(panel, opened, qtbot):
    labels = layer_of(opened, LEFT, RIGHT)
    array = opened.link.arrays.annotation
    array[3, 5, 5] = 255  # a correction
    propose(panel, qtbot, "Selected layer")
    assert not (array == 1).any()
    opened.painter.go_to(SliceView(0, 3))
    panel.slice.click()
    assert (array == 1).sum() == labels.sum() - 1
    assert array[3, 5, 5] == 255


def test_a_click_accepts_one_region(panel, opened, qtbot):
    layer_of(opened, LEFT, RIGHT)
    propose(panel, qtbot, "Selected layer")
    opened.painter.go_to(SliceView(0, 3))
    panel.pick.setChecked(True)
    layer = panel.proposals.layer
    assert opened.viewer.layers.selection.active is layer
    world = layer.data_to_world((3, 7, 25))
    event = SimpleNamespace(type="mouse_press", position=tuple(world))
    click = layer.mouse_drag_callbacks[-1](layer, event)
    next(click)
    event.type = "mouse_release"
    next(click, None)
    array = opened.link.arrays.annotation
    assert (array[3][RIGHT] == 1).all()
    assert not array[3][LEFT].any()
    panel.pick.setChecked(False)
    assert opened.viewer.layers.selection.active is opened.link.annotation


def test_a_class_is_accepted_in_the_whole_volume(panel, opened, qtbot):
    labels = layer_of(opened, LEFT)
    labels[1] = 2
    propose(panel, qtbot, "Selected layer")
    opened.painter.select(2)
    array = opened.link.arrays.annotation
    array[1, 0, 0] = 255  # a correction
    panel.label.click()
    qtbot.waitUntil(lambda: not opened.writing.is_busy)
    assert (array[1] == 2).sum() == labels[1].size - 1
    assert array[1, 0, 0] == 255
    assert not (array == 1).any()
    opened.link.annotation.undo()
    assert not (array == 2).any()


def test_a_class_that_is_not_proposed_is_named_with_those_that_are(
    panel, opened, messages, qtbot
):
    layer_of(opened, LEFT)
    propose(panel, qtbot, "Selected layer")
    opened.painter.select(255)
    panel.label.click()
    assert "Class 255 is not proposed: choose one of 1 in" in messages.texts[0]
    assert not opened.writing.is_busy


def test_a_class_is_not_accepted_while_labels_are_copied(
    panel, opened, messages, qtbot
):
    layer_of(opened, LEFT)
    propose(panel, qtbot, "Selected layer")
    with qtbot.waitSignal(opened.adoption.done):
        opened.adoption.adopt(opened.viewer.add_labels(np.zeros(SHAPE, np.uint8)))
        panel.label.click()
        assert "Try again in a moment" in messages.texts[0]


def test_each_image_keeps_its_own_proposal(panel, opened, qtbot):
    first = opened.link.image
    layer_of(opened, LEFT)
    propose(panel, qtbot, "Selected layer")
    other = opened.viewer.add_image(np.zeros((4, 8, 8), np.uint8), name="other")
    opened.link.choose(other)
    opened.link.annotate()
    opened.viewer.add_labels(np.full((4, 8, 8), 3, np.uint8))
    propose(panel, qtbot, "Selected layer")
    opened.link.choose(first)
    opened.painter.select(1)
    panel.label.click()
    qtbot.waitUntil(lambda: not opened.writing.is_busy)
    assert (opened.link.arrays.annotation[3][LEFT] == 1).all()


def choose_file(monkeypatch, path) -> None:
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), "")
    )


def test_a_file_of_labels_is_proposed_with_its_class_names(
    panel, opened, qtbot, tmp_path, monkeypatch
):
    labels = np.zeros(SHAPE, np.uint8)
    labels[3][LEFT] = 2
    path = tmp_path / "elsewhere.tif"
    table = ClassTable((LabelClass(2, "nucleus", "#112233"),))
    write_labels(path, labels, opened.link.volume, table=table)
    choose_file(monkeypatch, path)
    propose(panel, qtbot, "Label file")
    assert opened.classes.table == table
    opened.painter.go_to(SliceView(0, 3))
    panel.slice.click()
    np.testing.assert_array_equal(opened.link.arrays.annotation, labels)


def test_a_file_of_another_shape_proposes_nothing(
    panel, opened, messages, qtbot, tmp_path, monkeypatch
):
    path = tmp_path / "small.tif"
    like = Volume.from_array(np.zeros((2, 3, 4), np.uint8))
    write_labels(path, np.ones((2, 3, 4), np.uint8), like)
    choose_file(monkeypatch, path)
    panel.source.setCurrentText("Label file")
    panel.make.click()
    qtbot.waitUntil(lambda: bool(messages.texts))
    assert "has shape (2, 3, 4), the image has (6, 30, 40)" in messages.texts[0]
    assert panel.proposals.layer is None
    assert panel.make.isEnabled()


def test_a_choice_of_a_file_that_is_stopped_changes_nothing(
    panel, opened, messages, monkeypatch
):
    choose_file(monkeypatch, "")
    panel.source.setCurrentText("Label file")
    panel.make.click()
    assert not messages.texts
    assert panel.make.isEnabled()


def test_what_is_accepted_has_its_origin_as_tool(panel, opened, qtbot):
    layer_of(opened, LEFT)
    propose(panel, qtbot, "Selected layer")
    opened.painter.go_to(SliceView(0, 3))
    tools = []
    opened.link.annotation.events.paint.connect(
        lambda _: tools.append(opened.painter.tool)
    )
    panel.slice.click()
    assert tools == ["layer"]


def test_interpolation_needs_two_complete_slices(panel, opened, messages, qtbot):
    array = opened.link.arrays.annotation
    array[1] = 255
    panel.source.setCurrentText("Between slices")
    panel.make.click()
    qtbot.waitUntil(lambda: bool(messages.texts))
    assert "two complete slices across z are needed" in messages.texts[0]
    array[4] = 1
    propose(panel, qtbot, "Between slices")
    assert set(np.unique(panel.proposals.layer.data)) == {0, 1, 255}


def test_a_proposal_that_is_removed_lets_clicks_paint_again(panel, opened, qtbot):
    layer_of(opened, LEFT)
    propose(panel, qtbot, "Selected layer")
    panel.pick.setChecked(True)
    assert panel.picker.is_on

    opened.viewer.layers.remove(panel.proposals.layer)

    assert not panel.picker.is_on
    assert not panel.slice.isEnabled()


def test_a_threshold_and_growth_propose_the_class_of_the_brush(panel, opened, qtbot):
    image = opened.link.volume.array[0]
    panel.source.setCurrentText("Threshold")
    panel.low.setValue(100)
    panel.high.setValue(120)
    propose(panel, qtbot, "Threshold")
    found = panel.proposals.layer.data
    assert ((found == 1) == ((image >= 100) & (image <= 120))).all()
    opened.link.arrays.annotation[0, 3, :5] = 1
    panel.proposals.discard()
    propose(panel, qtbot, "Grow from class")
    assert (panel.proposals.layer.data[0, 3, :5] == 1).all()


def test_what_is_empty_or_missing_is_one_sentence(panel, opened, messages, qtbot):
    for button in (panel.slice, panel.label, panel.pick, panel.discard):
        assert not button.isEnabled()
        assert button.toolTip() == "Nothing is proposed yet: press Propose first."
    panel.source.setCurrentText("Prediction")
    panel.make.click()
    qtbot.waitUntil(lambda: "Nothing is proposed: take" in " ".join(messages.texts))
