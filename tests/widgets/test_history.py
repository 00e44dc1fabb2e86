"""Without a project, too, undo goes over slices, planes, classes and images."""

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QApplication

from sparseseg.widgets.desk import Desk
from sparseseg.widgets.planes import ThreePlanes
from sparseseg.widgets.slices import SliceView

pytestmark = pytest.mark.usefixtures("qapp")


def settle(desk: Desk) -> None:
    """Wait until the thread of the journal has done what it was asked for."""
    QApplication.processEvents()
    desk.history._keeper.ask(lambda _: None).result()
    QApplication.processEvents()


def stroke(desk: Desk, place: tuple[int, int, int], value: int, layer=None) -> None:
    settle(desk)  # of a volume just opened, the journal's thread may not know yet
    (layer or desk.link.annotation).paint(place, value)
    settle(desk)


def turned(desk: Desk, action: str) -> np.ndarray:
    desk.history.turn(action)
    settle(desk)
    return desk.link.arrays.annotation.copy()


def test_steps_are_undone_in_their_order_whichever_plane_they_were_painted_in(
    opened: Desk,
):
    planes = ThreePlanes(opened)
    planes.start()
    layers = [
        opened.link.annotation,
        *(mirror.twin_of(opened.link.annotation).layer for mirror in planes.mirrors),
    ]
    stages = [opened.link.arrays.annotation.copy()]
    for number, layer in enumerate([*layers, *layers]):
        stroke(opened, (number, 10 + number, 10), 1 + number % 2, layer)
        stages.append(opened.link.arrays.annotation.copy())
    for stage in stages[-2::-1]:
        assert (turned(opened, "undo") == stage).all()
    for stage in stages[1:]:
        assert (turned(opened, "redo") == stage).all()
    planes.hide()


def test_undo_brings_back_what_another_class_lost_on_the_slice_where_it_was(
    opened: Desk,
):
    stroke(opened, (2, 10, 10), 1)
    before = opened.link.arrays.annotation.copy()
    stroke(opened, (2, 11, 11), 2)
    opened.painter.go_to(SliceView(1, 5))
    assert (turned(opened, "undo") == before).all()
    assert opened.painter.view == SliceView(0, 2)


def test_what_an_annotation_began_with_is_not_undone(desk: Desk, qtbot):
    begun = np.zeros((5, 20, 20), np.uint8)
    begun[1] = 3
    desk.link.restore(Image(np.zeros(begun.shape)), begun)
    desk.link.annotate()
    with qtbot.waitSignal(desk.history.told):
        desk.history.turn("undo")
    assert (desk.link.arrays.annotation == begun).all()


def test_two_images_of_one_name_have_one_order_of_steps(opened: Desk, viewer):
    stroke(opened, (2, 10, 10), 1)
    first = opened.link.seat
    other = viewer.add_image(np.zeros((5, 20, 20)), name="other")
    other.name = "cells"
    opened.link.choose(other)
    opened.link.annotate()
    stroke(opened, (3, 10, 10), 1)
    turned(opened, "undo")
    assert not opened.link.arrays.annotation.any()
    assert first.arrays.annotation.any()
    turned(opened, "undo")
    assert not first.arrays.annotation.any()


def test_undo_on_another_image_is_drawn_there(opened: Desk, viewer):
    stroke(opened, (2, 10, 10), 1)
    layer = opened.link.annotation
    opened.link.choose(viewer.add_image(np.zeros((5, 20, 20)), name="other"))
    opened.link.annotate()
    drawn: list[object] = []
    layer.events.set_data.connect(drawn.append)
    turned(opened, "undo")
    assert not layer.data.any()
    assert drawn


def test_the_keys_of_undo_are_those_of_the_journal(opened: Desk):
    stroke(opened, (2, 10, 10), 1)
    layer = opened.link.annotation
    (undo,) = [act for key, act in layer.keymap.items() if str(key) == "Ctrl+Z"]
    undo(layer)
    settle(opened)
    assert not opened.link.arrays.annotation.any()


def test_an_image_that_is_gone_is_not_followed_any_more(opened: Desk, viewer):
    stroke(opened, (2, 10, 10), 1)
    seat = opened.link.seat
    other = viewer.add_image(np.zeros((5, 20, 20)), name="other")
    opened.link.choose(other)
    opened.link.annotate()
    for layer in seat.layers:
        viewer.layers.remove(layer)
    opened.look()
    assert seat not in opened.history.seats
    stroke(opened, (3, 10, 10), 1)
    turned(opened, "undo")
    assert not opened.link.arrays.annotation.any()


@pytest.mark.parametrize("action", ["undo", "redo"])
def test_nothing_to_undo_is_said(opened: Desk, qtbot, action):
    settle(opened)
    with qtbot.waitSignal(opened.history.told) as heard:
        opened.history.turn(action)
    assert heard.args == [f"There is nothing to {action}."]
