"""Filling labels what is unlabelled on the visible slice, as one step to undo."""

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.widgets import writing
from sparseseg.widgets.slices import SliceView


def ignored(_labelled: int) -> None:
    pass


@pytest.mark.parametrize(
    ("view", "count"),
    [(SliceView(0, 2), 30 * 40), (SliceView(1, 7), 6 * 40), (SliceView(2, 39), 6 * 30)],
)
def test_the_rest_of_the_visible_slice_becomes_background(opened, view, count):
    layer, told = opened.link.annotation, []
    layer.data[2, 7, 39] = 1  # on all three slices
    opened.painter.go_to(view)

    opened.filling.background(told.append)

    assert told == [count - 1]
    plane = layer.data[view.selection]
    assert (plane == 1).sum() == 1
    assert (plane == 255).sum() == count - 1
    assert (layer.data != 0).sum() == count


def test_filling_needs_a_visible_slice(opened, viewer):
    viewer.dims.ndisplay = 3

    with pytest.raises(UserError, match="2-D"):
        opened.filling.background(ignored)


def test_accepting_keeps_strokes_and_takes_0_as_background(opened, session):
    layer, told = opened.link.annotation, []
    opened.painter.go_to(SliceView(0, 2))
    session.arrays.prediction[2, :, :20] = 2
    layer.data[2, 0, 0] = 1

    opened.filling.predicted(told.append)

    assert told == [30 * 40 - 1]
    plane = layer.data[2]
    assert plane[0, 0] == 1
    assert (plane[:, :20] == 2).sum() == 30 * 20 - 1
    assert (plane[:, 20:] == 255).all()


def test_a_slice_without_a_prediction_is_not_taken_for_background(opened):
    opened.painter.go_to(SliceView(0, 1))

    with pytest.raises(UserError, match="z 1"):
        opened.filling.predicted(ignored)

    assert not opened.link.annotation.data.any()


def test_a_large_slice_is_filled_in_turns_of_the_window_as_one_step(
    opened, qtbot, monkeypatch
):
    monkeypatch.setattr(writing, "_VOXELS", 80)
    monkeypatch.setattr(writing, "_TURN", 0)
    layer, told = opened.link.annotation, []
    layer.mode = "erase"
    opened.painter.go_to(SliceView(1, 7))

    opened.filling.background(told.append)

    assert (layer.data != 0).sum() == 80
    assert layer.mode == "pan_zoom"
    with pytest.raises(UserError, match="Try again in a moment"):
        opened.filling.background(ignored)
    qtbot.waitUntil(lambda: told == [6 * 40])
    assert layer.mode == "erase"
    assert np.count_nonzero(layer.data) == 6 * 40
    layer.undo()
    assert not layer.data.any()
