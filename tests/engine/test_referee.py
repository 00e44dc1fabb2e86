"""Which answer is shown, by slices worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.engine.referee import (
    agreed,
    answered_twice,
    between_others,
    gained,
    mostly,
    of_each_class,
    together,
    worths,
)
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
    return SliceAnswers(VOLUME, where, truth, {}, surprise, is_outermost=False)


def mean_of(probability, iou):
    return pytest.approx((probability * (iou + 0.05) / 1.05) ** 0.5)


def test_classes_count_alike_however_many_pixels_they_have():
    one = told(1, [0, 0, 0, 1], network=[0.9, 0.9, 0.9, 0.4])
    assert worths([one], {"network": 0.5}) == {
        "network": mean_of((0.9 * 0.4) ** 0.5, 0.5)
    }


def test_a_method_that_is_sure_of_an_error_is_worth_less_than_one_that_doubts():
    one = told(1, [0, 1, 1], network=[0.99, 0.99, 0.01], walker=[0.8, 0.6, 0.4])
    found = worths([one], {"network": 0.5, "walker": 0.5})
    assert found["network"] < found["walker"]


def test_the_slices_are_taken_together_and_a_class_that_none_shows_does_not_count():
    slices = [told(1, [0, 0], network=[0.5, 0.5]), told(2, [0, 0], network=[1.0, 1.0])]
    assert worths(slices, {"network": 1.0}) == {"network": mean_of(0.5**0.5, 1.0)}


@pytest.mark.parametrize(
    ("iou", "counts"),
    [(0.4, False), (0.69, False), (0.71, True), (float("nan"), False)],
)
def test_interpolation_counts_only_where_it_is_right_far_more_often(iou, counts):
    one = told(1, [0, 1], network=[0.5, 0.5], interpolation=[0.7, 0.7])
    found = worths([one], {"network": 0.5, "interpolation": iou})
    assert ("interpolation" in found) == counts


def test_where_interpolation_alone_answers_it_counts():
    one = told(1, [0, 1], interpolation=[0.7, 0.7])
    assert list(worths([one], {"interpolation": 0.1})) == ["interpolation"]


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
    found = worths([one], {"walker": 0.5, "walked": 0.5})
    assert max(found, key=found.get) == best


@pytest.mark.parametrize(
    ("pixels", "iou", "counts"),
    [(5000, 0.82, True), (5001, 0.82, False), (5001, 1.0, True)],
)
def test_trees_alone_count_where_few_pixels_were_painted_or_they_are_far_ahead(
    pixels, iou, counts
):
    # (1.05 / 0.85) ** 0.5 is 1.11, and (0.87 / 0.85) ** 0.5 is 1.01
    sure = [0.9] * pixels
    one = told(1, [1] * pixels, trees=sure, network=sure)
    found = worths([one], {"trees": iou, "network": 0.8})
    assert ("trees" in found) == counts


def test_where_trees_alone_answer_they_count():
    one = told(1, [1] * 5001, trees=[0.9] * 5001)
    assert list(worths([one], {"trees": 0.5})) == ["trees"]


def test_of_methods_that_are_as_good_the_one_that_all_are_nearest_to_is_shown():
    # Walker and network alone mean 1/2 of each, with their two means as well.
    equal = dict.fromkeys(("network", "walker", "mixed", "walked"), 0.5)
    found = agreed(equal, 1000)
    assert found["mixed"] == found["walked"] == 0.833333
    assert found["network"] == found["walker"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(("pixels", "best"), [(1000, "walked"), (500_000, "walker")])
def test_a_small_lead_on_few_pixels_is_not_believed(pixels, best):
    found = agreed({"walker": 0.52, "walked": 0.5, "mixed": 0.49}, pixels)
    assert max(found, key=found.get) == best


def test_what_is_far_ahead_is_shown_on_few_pixels_as_well():
    found = agreed({"trees": 0.9, "walked": 0.3, "network": 0.3}, 1000)
    assert max(found, key=found.get) == "trees"
    assert found["trees"] > 0.95


def test_trees_beside_a_network_are_the_same_part_as_trees_alone():
    found = agreed({"trees": 0.5, "forest": 0.5}, 1000)
    assert found["trees"] == found["forest"] == 0.833333


def test_of_no_method_all_agree_on_nothing():
    assert agreed({}, 0) == {}


def test_where_nothing_was_measured_no_method_is_worth_anything():
    assert worths([], {}) == {}


def test_of_methods_that_are_as_sure_the_one_that_is_right_more_often_is_worth_more():
    one = told(1, [0, 1], network=[0.6, 0.6], forest=[0.6, 0.6])
    found = worths([one], {"network": 0.8, "forest": 0.7})
    assert found["network"] > found["forest"]
    found = worths([one], {"network": 0.8, "forest": 0.7}, {"forest": 0.2})
    assert found["network"] < found["forest"]


def test_of_parallel_slices_those_between_others_say_most():
    first, inner, last = (told(n, [0, 1], network=[0.5, 0.5]) for n in (1, 2, 3))
    ends = [replace(one, is_outermost=True) for one in (first, last)]
    assert between_others([*ends, inner]) == [inner]
    across = replace(inner, where=AnnotatedSlice(1, 2, 2, False))
    assert between_others([*ends, inner, across]) == []
    assert between_others(ends) == between_others([inner]) == []


def test_worths_of_two_are_a_mean_in_which_the_first_counts_most():
    found = mostly({"mixed": 0.8, "trees": 0.5}, {"mixed": 0.1, "forest": 0.9})
    assert found == {"mixed": pytest.approx(0.8**0.8 * 0.1**0.2)}
    assert mostly({"near": 0.3}, {"forest": 0.9}) == {"forest": 0.9}


def test_where_all_fail_on_parallel_slices_what_stays_near_slices_is_taken():
    far = told(1, [0, 1], network=[0.6, 0.5], walked=[0.5, 0.4], walker=[0.3, 0.2])
    ious = {"network": 0.15, "walked": 0.05, "walker": 0.01}
    assert list(worths([far], ious)) == ["walked"]
    assert len(worths([far], ious | {"network": 0.25, "walker": 0.05})) == 3
    nothing = dict.fromkeys(ious, float("nan"))
    assert len(worths([far], nothing)) == 3
    across = replace(far, where=AnnotatedSlice(1, 0, 2, False))
    assert len(worths([far, across], ious)) == 3


def test_where_all_fail_on_whole_slices_that_cross_it_is_taken_too():
    # Strokes with few pixels still tell which answer errs least.
    ious = {"network": 0.15, "near": 0.1}
    for pixels, shown in ((2500, "network"), (2502, "near")):
        values = [0.5] * pixels
        one = told(1, [0, 1] * (pixels // 2), network=values, near=values)
        across = replace(one, where=AnnotatedSlice(1, 0, pixels, False))
        assert list(worths([one, across], ious)) == [shown]


def test_where_all_fail_the_mean_of_walker_and_forest_is_taken_first():
    far = told(1, [0, 1], near=[0.9, 0.9], walked=[0.5, 0.4], network=[0.6, 0.5])
    ious = {"network": 0.15, "near": 0.1, "walked": 0.05}
    assert list(worths([far], ious)) == ["near"]


@pytest.mark.parametrize(
    ("best", "walker", "is_mixed"),
    [
        (0.8, 0.45, True),
        (0.8, 0.43, False),
        (0.5, 0.13, True),  # slices that are hard for all tell less of the walker
        (0.5, 0.12, False),
        (0.15, 0.0, True),
    ],
)
def test_a_walker_that_finds_much_less_than_the_best_counts_in_no_mean(
    best, walker, is_mixed
):
    # A mean with it is less sure where the network errs: that alone is no merit.
    pixels = {"network": [0.99, 0.01], "mixed": [0.9, 0.2], "walked": [0.6, 0.3]}
    one = told(1, [0, 1], **pixels, walker=[0.5, 0.2])
    across = replace(one, where=AnnotatedSlice(1, 0, 2, False))
    ious = {"network": best, "mixed": best, "walked": best, "walker": walker}
    found = worths([one, across], ious)
    assert found.keys() == (ious.keys() if is_mixed else {"network"})


@pytest.mark.parametrize(("walker", "counts"), [(0.5, True), (0.35, False)])
def test_a_mean_of_mostly_a_walker_counts_where_the_walker_is_not_far_behind(
    walker, counts
):
    # Of a few pixels such a mean may look best where the walker is lost, by chance.
    one = told(1, [0, 1], near=[0.8, 0.8], forest=[0.5, 0.5], walker=[walker, walker])
    found = worths([one], {"near": 0.6, "forest": 0.5, "walker": walker})
    assert found.keys() == {"forest", "near" if counts else "walker"}


def test_without_an_iou_the_probability_decides():
    one = told(1, [0, 0], network=[0.6, 0.6], walker=[0.7, 0.7])
    nothing = float("nan")
    found = worths([one], {"network": nothing, "walker": nothing})
    assert found["network"] < found["walker"]


def test_what_a_network_has_more_than_its_stand_in_is_believed_by_pixels():
    found = gained(
        {"network": 0.8, "walker": 0.5},
        {"network": 0.6, "walker": 0.5},
        5000,
        is_crossed=False,
    )
    assert found["network"] == pytest.approx((0.2 + 0.03) / 2)
    assert found["walker"] == 0


def test_where_slices_cross_a_network_is_expected_to_learn_on():
    parallel, crossed = (
        gained({}, {}, 5000, is_crossed=is_crossed) for is_crossed in (False, True)
    )
    assert crossed["network"] == pytest.approx(parallel["network"] + 0.01)
    assert crossed["walked"] == pytest.approx(parallel["walked"] + 0.01 / 3)
    assert crossed["forest"] == parallel["forest"]


def test_where_no_slice_was_answered_twice_a_network_gains_what_is_usual():
    found = gained({}, {}, 0, is_crossed=False)
    assert found["network"] == found["unguided"] == pytest.approx(0.03)
    assert found["network"] > found["mixed"] > found["walked"] > found["walker"] == 0


def test_slices_that_were_answered_twice_are_paired():
    held = [told(1, [0], network=[0.9]), told(3, [0], network=[0.9])]
    turns = [told(2, [1], network=[0.8]), told(1, [0], network=[0.2])]
    assert answered_twice(held, turns) == ([held[0]], [turns[1]])


def of_two(
    network, walker, *, pixels=5000, lone=(), is_crossed=True, general="network"
):
    """Return the methods of two classes, of which the first is told by its grey values."""
    ious = {
        "network": {0: 0.9, 1: 0.8, 2: network},
        "walker": {0: 0.9, 1: 0.1, 2: walker},
        "near": {0: 0.9, 1: 0.2, 2: min(network, walker)},
        "walked": {0: 0.9, 1: 0.3, 2: min(network, walker)},
        "interpolation": {0: 0.9, 1: 0.0, 2: 0.99},
    }
    counts = {1: 5000, 2: pixels}
    return of_each_class(ious, counts, general, lone=lone, is_crossed=is_crossed)


def test_a_class_is_taken_from_what_is_far_better_at_it():
    # Of 4,500 pixels nine tenths of a difference are believed.
    assert of_two(0.5, 0.68, pixels=4500) == {1: "network", 2: "walker"}
    assert of_two(0.5, 0.66, pixels=4500) == {1: "network", 2: "network"}
    assert of_two(0.5, 0.75, general="walker") == {1: "network", 2: "walker"}


def test_of_a_class_with_few_pixels_little_is_told():
    # Of 500 pixels it is half.
    assert of_two(0.5, 0.78, pixels=500)[2] == "network"
    assert of_two(0.5, 0.82, pixels=500)[2] == "walker"


def test_a_class_that_nothing_finds_on_parallel_slices_stays_close_to_them():
    assert of_two(0.1, 0.0, is_crossed=False) == {1: "network", 2: "near"}
    assert of_two(0.1, 0.0, is_crossed=True) == {1: "network", 2: "network"}
    assert of_two(0.0, 0.0, pixels=500, is_crossed=False)[2] == "network"


def test_a_class_on_one_of_the_slices_that_cross_is_led_by_it():
    assert of_two(0.0, 0.0, pixels=100, lone={2}) == {1: "network", 2: "walked"}
    assert of_two(0.5, 0.4, pixels=100, lone={2}) == {1: "network", 2: "network"}
