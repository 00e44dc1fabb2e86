"""Keys under the left hand act on the annotation, and the user can change them."""

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.action_manager import action_manager

from sparseseg.evaluation.suggesting import Suggestion
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.keys import ACTIONS, key_of
from sparseseg.widgets.slices import SliceView


@pytest.fixture
def dock(viewer, image, session, qtbot) -> SegmentationDock:
    dock = SegmentationDock(viewer, session=session)
    qtbot.addWidget(dock)
    dock.classes.new.click()
    yield dock
    dock.close()


def press(dock, key: str) -> None:
    layer = dock.desk.link.annotation
    (act,) = [act for k, act in Labels.class_keymap.items() if str(k) == key]
    act(layer)


def test_the_annotated_slices_are_gone_through_in_a_circle(dock):
    array = dock.desk.link.arrays.annotation
    array[1] = array[4] = 255
    dock.desk.ledger.look()
    dock.desk.painter.go_to(SliceView(0, 2))
    seen = []
    for key in ("W", "W", "Q", "Q"):
        press(dock, key)
        seen.append(dock.desk.painter.view.index)
    assert seen == [4, 1, 4, 1]


def test_without_annotated_slices_a_sentence_says_so(dock):
    press(dock, "W")
    assert dock.messages.texts[0] == "No slice across this axis is annotated yet."


def test_keys_change_the_plane_the_class_and_the_brush(dock):
    dock.desk.classes.add()
    press(dock, "R")
    assert dock.desk.painter.view.axis == 1
    labels = []
    for key in ("A", "A", "A", "Shift+A"):
        press(dock, key)
        labels.append(dock.desk.painter.label)
    assert labels == [2, 255, 1, 255]
    layer = dock.desk.link.annotation
    layer.brush_size = 1
    sizes = []
    for key in ("Shift+W", "Shift+W", "Shift+Q", "Shift+Q", "Shift+Q"):
        press(dock, key)
        sizes.append(layer.brush_size)
    assert sizes == [2, 3, 2, 1, 1]


def test_a_key_completes_the_slice(dock):
    dock.desk.painter.go_to(SliceView(0, 2))
    press(dock, "D")
    assert (dock.desk.link.arrays.annotation[2] == 255).all()


def test_the_overlay_goes_and_comes_back_as_it_was(dock):
    dock.desk.results.show()
    seat = dock.desk.link.seat
    seat.prediction.visible = False
    press(dock, "T")
    assert not any(layer.visible for layer in seat.layers[1:])
    assert seat.image.visible
    press(dock, "T")
    assert seat.annotation.visible
    assert not seat.prediction.visible


def test_the_suggested_slices_are_visited_in_their_order(dock):
    press(dock, "S")
    assert "No slice is suggested yet" in dock.messages.texts[0]
    dock.desk.suggestions.found = [Suggestion(1, 7, ""), Suggestion(0, 3, "")]
    seen = []
    for _ in range(3):
        press(dock, "S")
        seen.append(dock.desk.painter.view)
    assert seen == [SliceView(1, 7), SliceView(0, 3), SliceView(1, 7)]


def test_all_planes_go_to_the_pointer(dock):
    dock.desk.viewer.cursor.position = (11.0, 2.5, 5.0)
    press(dock, "C")
    assert dock.desk.viewer.dims.point == (11.0, 2.5, 5.0)


def test_a_lock_needs_a_project(dock):
    press(dock, "Shift+D")
    assert "Save the project first" in dock.messages.texts[0]


def test_keys_on_a_labels_layer_of_the_user_do_nothing(dock):
    other = dock.desk.viewer.add_labels(np.zeros((6, 30, 40), np.uint8))
    before = dock.desk.viewer.dims.order
    (act,) = [act for k, act in Labels.class_keymap.items() if str(k) == "R"]
    act(other)
    assert dock.desk.viewer.dims.order == before


def test_no_key_takes_one_of_napari_s_own_away():
    taken = [
        str(key)
        for action in ("napari:activate_labels_erase_mode", "napari:new_label")
        for key in action_manager._shortcuts.get(action, [])
    ]
    assert not {action.key for action in ACTIONS} & set(taken)
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)


def test_the_cheat_sheet_shows_a_key_that_the_user_changed(dock):
    complete = next(action for action in ACTIONS if action.name == "complete")
    assert key_of(complete) == "D"
    action_manager.unbind_shortcut(complete.full_name)
    action_manager.bind_shortcut(complete.full_name, "H")
    try:
        dock.cheat_sheet.turn()
        text = dock.cheat_sheet.page.text()
        assert "<b>H</b>" in text
        assert "Paint class 1" in text
    finally:
        action_manager.unbind_shortcut(complete.full_name)
        action_manager.bind_shortcut(complete.full_name, "D")
    dock.cheat_sheet.turn()
    assert dock.cheat_sheet.isHidden()
