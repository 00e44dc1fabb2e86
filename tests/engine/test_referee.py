"""Which answer is shown, by slices worked out by hand."""

import numpy as np
import pytest

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.engine.referee import together, worths
from sparseseg.engine.told import SliceAnswers

VOLUME = Volume.from_array(np.zeros((4, 4, 4), np.float32))


def told(index, target, **likely):
    """Return what methods say of a slice: how likely they think each true output."""
    truth = np.array(target, np.uint8)
    surprise = {
        method: np.bincount(truth, -np.log(values), 2)
        for method, values in likely.items()
    }
    where = AnnotatedSlice(0, index, len(target), False)
    return SliceAnswers(VOLUME, where, truth, {}, surprise)


def right(**ious):
    return {method: {"mean_iou": iou} for method, iou in ious.items()}


def test_classes_count_alike_however_many_pixels_they_have():
    one = told(1, [0, 0, 0, 1], network=[0.9, 0.9, 0.9, 0.4])
    assert worths([one], right(network=0.5)) == {
        "network": pytest.approx((0.9 * 0.4) ** 0.5)
    }


def test_a_method_that_is_sure_of_an_error_is_worth_less_than_one_that_doubts():
    one = told(1, [0, 1, 1], network=[0.99, 0.99, 0.01], walker=[0.8, 0.6, 0.4])
    found = worths([one], right(network=0.5, walker=0.5))
    assert found["network"] < found["walker"]


def test_the_slices_are_taken_together_and_a_class_that_none_shows_does_not_count():
    slices = [told(1, [0, 0], network=[0.5, 0.5]), told(2, [0, 0], network=[1.0, 1.0])]
    assert worths(slices, right(network=1.0)) == {"network": pytest.approx(0.5**0.5)}


@pytest.mark.parametrize(
    ("iou", "counts"), [(0.4, False), (0.5, False), (0.6, True), (float("nan"), False)]
)
def test_interpolation_counts_only_where_it_is_right_most_often(iou, counts):
    one = told(1, [0, 1], network=[0.5, 0.5], interpolation=[0.7, 0.7])
    found = worths([one], right(network=0.5, interpolation=iou))
    assert ("interpolation" in found) == counts


def test_a_slice_that_the_network_answered_itself_counts_once():
    held = [told(1, [0], network=[0.9])]
    turns = [told(1, [0], network=[0.2]), told(2, [1], network=[0.8])]
    both = together(held, turns)
    assert [one.where.index for one in both] == [1, 2]
    assert both[0] is held[0]


@pytest.mark.parametrize(("pixels", "best"), [(100, "walked"), (10_000, "walker")])
def test_of_few_pixels_a_mean_of_two_is_trusted_more_than_its_parts(pixels, best):
    likely = {"walker": [0.5] * pixels, "walked": [0.48] * pixels}
    one = told(1, [0, 1] * (pixels // 2), **likely)
    found = worths([one], right(walker=0.5, walked=0.5))
    assert max(found, key=found.get) == best


def test_where_nothing_was_measured_no_method_is_worth_anything():
    assert worths([], {}) == {}
