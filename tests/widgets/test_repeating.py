"""A slice that is painted twice: blank, on a layer of its own, and compared."""

import numpy as np
import pytest

from sparseseg.widgets.repeat_panel import RepeatPanel
from sparseseg.widgets.repeating import agreement

CELL = np.s_[2:6, 2:7]  # 20 voxels


@pytest.fixture
def panel(qtbot, opened, messages) -> RepeatPanel:
    panel = RepeatPanel(opened, messages)
    qtbot.addWidget(panel)
    return panel


def complete(desk, index: int, cells=CELL) -> None:
    plane = desk.link.arrays.annotation[index]
    plane[:] = 255
    plane[cells] = 1
    desk.look()


def paint(desk, cells) -> None:
    layer = desk.viewer.layers[-1]
    layer.data[desk.repeating.view.index][cells] = 1


def test_it_is_offered_once_a_slice_is_complete(panel, opened):
    assert panel.isHidden()
    complete(opened, 3)
    assert not panel.isHidden()
    assert not panel.begin.isHidden()


def test_the_slice_is_blank_and_nothing_that_tells_is_visible(panel, opened, viewer):
    complete(opened, 3, np.s_[2:4, 2:4])
    complete(opened, 1)  # has more of the class
    opened.results.show()
    opened.results.show_uncertainty()
    panel.begin.click()
    assert opened.repeating.view.index == 1
    layer = viewer.layers[-1]
    assert viewer.layers.selection.active is layer
    assert layer.mode == "paint"
    assert not layer.data.any()
    visible = [one for one in viewer.layers if one.visible]
    assert visible == [opened.link.image, layer]
    opened.painter.select(2)
    assert layer.selected_label == 2

    panel.cancel.click()
    assert layer not in viewer.layers
    assert opened.link.annotation.visible
    assert viewer.layers.selection.active is opened.link.annotation
    assert not opened.link.seat.uncertainty.visible  # as it was before


def test_both_times_are_compared_and_the_annotation_stays(
    qtbot, panel, opened, messages
):
    complete(opened, 3)
    before = opened.link.arrays.annotation.copy()
    panel.begin.click()
    panel.compare.click()
    assert "Nothing is painted on slice z 3 yet" in messages.texts[0]
    paint(opened, np.s_[2:6, 4:9])  # 20 voxels, of which 12 are in the cell
    with qtbot.waitSignal(opened.repeating.measured):
        panel.compare.click()
    # Twice 12 of 20 and 20.
    assert "by a Dice of 0.60" in messages.texts[0]
    assert agreement(opened.repeating.scores) == pytest.approx(0.6)
    assert np.array_equal(opened.link.arrays.annotation, before)
    assert panel.isHidden()  # there is no other complete slice


def test_another_image_ends_it(panel, opened, viewer):
    complete(opened, 3)
    panel.begin.click()
    layer = viewer.layers[-1]
    opened.link.choose(None)
    assert layer not in viewer.layers
    assert opened.repeating.view is None


def test_a_layer_that_is_removed_ends_it_and_shows_the_annotation(
    panel, opened, viewer
):
    complete(opened, 3)
    panel.begin.click()
    viewer.layers.remove(viewer.layers[-1])
    assert opened.repeating.view is None
    assert opened.link.annotation.visible


def test_without_the_annotation_s_layer_nothing_is_hidden(
    panel, opened, viewer, messages
):
    complete(opened, 3)
    opened.results.show()
    viewer.layers.remove(opened.link.annotation)
    before = list(viewer.layers)
    panel.begin.click()
    assert "Show the annotation first" in messages.texts[0]
    assert list(viewer.layers) == before
    assert opened.link.seat.prediction.visible
    assert opened.repeating.view is None


def test_closing_meanwhile_shows_the_annotation_and_takes_the_second_time_away(
    panel, opened, viewer
):
    complete(opened, 3)
    annotation = opened.link.annotation
    listening = len(viewer.layers.events.removed.callbacks)
    panel.begin.click()
    layer = viewer.layers[-1]
    opened.repeating.close()
    assert layer not in viewer.layers
    assert annotation.visible
    assert len(viewer.layers.events.removed.callbacks) < listening
