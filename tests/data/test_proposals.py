"""Proposals worked out by hand."""

import numpy as np
import pytest

from sparseseg.data.proposals import (
    between_slices,
    grown,
    of_prediction,
    region_at,
    threshold,
)
from sparseseg.errors import UserError


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_square_grows_evenly_from_slice_to_slice(axis):
    planes = np.zeros((5, 21, 21), np.uint8)
    for index, half in ((0, 2), (4, 6)):
        planes[index] = 255
        planes[index, 10 - half : 11 + half, 10 - half : 11 + half] = 3
    annotation = np.moveaxis(planes, 0, axis)
    found = np.moveaxis(between_slices(annotation, axis), axis, 0)
    widths = [int((found[index, 10] == 3).sum()) for index in (1, 2, 3)]
    assert widths == [7, 9, 11]
    assert set(np.unique(found[1:4])) == {3, 255}
    assert not found[[0, 4]].any()  # what is annotated needs no proposal


def test_an_object_that_ends_shrinks_and_vanishes():
    annotation = np.zeros((5, 9, 9), np.uint8)
    annotation[[0, 4]] = 255
    annotation[0, 2:7, 2:7] = 1
    found = between_slices(annotation, 0)
    areas = [(found[z] == 1).sum() for z in (1, 2, 3)]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] == 0


def test_one_slice_is_not_enough_to_interpolate():
    annotation = np.zeros((5, 9, 9), np.uint8)
    annotation[1] = 255
    annotation[3, :4] = 255
    with pytest.raises(UserError, match="two complete slices across z are needed"):
        between_slices(annotation, 0)


def test_a_threshold_takes_both_ends():
    image = np.array([[[1, 2, 3, 4]]], np.uint16)
    assert threshold(image[None], 2, 3, 7).tolist() == [[[0, 7, 7, 0]]]


def test_a_region_grows_over_like_values_that_touch():
    image = np.array([[[10, 11, 9, 50, 10]]], np.float32)
    annotation = np.array([[[2, 2, 0, 0, 0]]], np.uint8)
    assert grown(image, annotation, 2, 3.0).tolist() == [[[2, 2, 2, 0, 0]]]
    with pytest.raises(UserError, match="class 5 is not painted"):
        grown(image, annotation, 5, 3.0)


def test_a_prediction_proposes_background_too_and_an_empty_one_nothing():
    assert of_prediction(np.array([[[0, 2]]], np.uint8)).tolist() == [[[255, 2]]]
    assert not of_prediction(np.zeros((1, 1, 2), np.uint8)).any()


def test_a_region_is_what_has_one_value_and_touches():
    plane = np.array([[1, 1, 0, 1], [0, 1, 2, 1]], np.uint8)
    assert region_at(plane, (0, 0)).tolist() == [
        [True, True, False, False],
        [False, True, False, False],
    ]
    assert not region_at(plane, (0, 2)).any()
