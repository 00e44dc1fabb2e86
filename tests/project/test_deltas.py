"""A change is cut into few planes, goes both ways, and is checked when it is read."""

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.errors import UserError
from sparseseg.project.deltas import Delta, difference

SHAPE = (5, 6, 7)


def painted(*changes: tuple[tuple[object, ...], int]) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for index, value in changes:
        array[index] = value
    return array


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stroke_on_a_slice_is_one_delta_of_that_slice(axis: int) -> None:
    index: list[object] = [slice(1, 4)] * 3
    index[axis] = 2
    (delta,) = difference(painted(), painted((tuple(index), 3)))
    assert (delta.axis, delta.index, delta.voxels) == (axis, 2, 9)


def test_a_delta_makes_the_change_and_takes_it_back() -> None:
    before, after = painted(((1,), 2)), painted(((1,), 2), ((slice(None), 3, 4), 7))
    deltas = difference(before, after)
    array = before.copy()
    for delta in deltas:
        delta.apply(array)
    assert (array == after).all()
    for delta in deltas:
        delta.reversed.apply(array)
    assert (array == before).all()


def test_a_delta_leaves_voxels_alone_that_it_did_not_change() -> None:
    (delta,) = difference(painted(), painted(((2, 1, 1), 1), ((2, 3, 3), 1)))
    array = painted(((2, 2, 2), 9))
    delta.apply(array)
    assert array[2, 2, 2] == 9
    assert array[2, 1, 1] == array[2, 3, 3] == 1


def test_equal_annotations_differ_in_nothing() -> None:
    assert difference(painted(), painted()) == []


def test_a_delta_comes_back_from_its_bytes() -> None:
    (delta,) = difference(painted(), painted(((2, 1), 1)))
    again = Delta.unpack(0, delta.box, delta.pack(), SHAPE)
    assert (again.new == delta.new).all()
    assert (again.old == delta.old).all()


@pytest.mark.parametrize(
    ("axis", "box"),
    [
        (0, Box((5, 0, 0), (6, 1, 1))),
        (0, Box((-1, 0, 0), (0, 1, 1))),
        (3, Box((0, 0, 0), (1, 1, 1))),
        (0, Box((0, 0, 0), (2, 1, 1))),
        (0, Box((0, 0, 0), (1, 0, 1))),
    ],
)
def test_a_box_outside_the_annotation_is_refused(axis: int, box: Box) -> None:
    with pytest.raises(UserError, match="does not fit"):
        Delta.unpack(axis, box, b"", SHAPE)


def test_values_that_do_not_fill_the_box_are_refused() -> None:
    (delta,) = difference(painted(), painted(((2, 1), 1)))
    larger = Box((2, 0, 0), (3, 2, 7))
    with pytest.raises(UserError, match="are needed"):
        Delta.unpack(0, larger, delta.pack(), SHAPE)
    with pytest.raises(UserError, match="damaged"):
        Delta.unpack(0, delta.box, b"nonsense", SHAPE)
