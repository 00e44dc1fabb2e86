"""Proposals are accepted by slice, region or class, and never overwrite a stroke."""

from types import SimpleNamespace

import numpy as np
import pytest

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
    panel.label.click()
    array = opened.link.arrays.annotation
    assert (array[1] == 2).all()
    assert not (array == 1).any()


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
    assert "1 complete slices across z" in messages.texts[0]
    array[4] = 1
    propose(panel, qtbot, "Between slices")
    assert set(np.unique(panel.proposals.layer.data)) == {0, 1, 255}


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
    panel.slice.click()
    assert messages.texts[0] == "Nothing is proposed yet: press Propose first."
    panel.source.setCurrentText("Prediction")
    panel.make.click()
    qtbot.waitUntil(lambda: "Nothing is proposed: take" in " ".join(messages.texts))
    panel.pick.setChecked(True)
    assert not panel.pick.isChecked()
