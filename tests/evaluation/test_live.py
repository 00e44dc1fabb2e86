"""Slices that were completed since the estimate count as well."""

import pytest

from sparseseg.evaluation.estimate import DiceEstimate, Likely
from sparseseg.evaluation.live import with_slices
from sparseseg.evaluation.slice_score import SliceScore


def told(dice=0.9, half=0.05):
    likely = Likely(dice, dice - half, dice + half)
    return DiceEstimate(likely, {1: likely})


def score(index, right, size=100):
    return SliceScore(0, index, {1: (right, size, size)}, "network", 1)


def test_slices_move_the_estimate_by_what_both_may_be_off():
    found = with_slices(told(), [score(1, 60), score(2, 80), score(3, 70)])
    # 0.15 / sqrt(3) and 0.03 are 0.0917: the slices, with 0.7, have 23% of the weight.
    weight = 0.05**2 / (0.05**2 + 0.15**2 / 3 + 0.03**2)
    assert found.mean.dice == pytest.approx(0.9 - weight * 0.2)
    assert found.classes[1].dice == found.mean.dice
    assert found.mean.high - found.mean.low < 0.1
    assert "3 slices" in found.reason


def test_a_large_slice_counts_more_than_a_small_one():
    large, small = (
        with_slices(
            told(), [score(1, size // 2, size), score(2, 100), score(3, 100)]
        ).mean.dice
        for size in (1000, 10)
    )
    assert large < small


def test_two_slices_change_nothing():
    assert with_slices(told(), [score(1, 10), score(2, 10)]) == told()


def test_where_nothing_is_estimated_slices_make_no_estimate():
    nothing = DiceEstimate(None, {}, "too few slices")
    assert with_slices(nothing, [score(n, 60) for n in range(3)]) == nothing
