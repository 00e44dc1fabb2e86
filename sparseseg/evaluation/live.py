"""An estimate that takes in slices that were completed after it had been made."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparseseg.evaluation.estimate import DiceEstimate, Likely
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.language import say_count

# Fewer say less than the estimate: benchmarks/honesty.py --table.
FEWEST = 3
# How far the Dice of a slice is from that of the volume, and that of many slices.
_OF_SLICE, _OF_MANY = 0.15, 0.03


def with_slices(estimate: DiceEstimate, scores: Sequence[SliceScore]) -> DiceEstimate:
    """Return an estimate that counts slices in, which the prediction had not seen.

    Each class is the mean of both, weighted by how far each may be off. Fewer than three
    slices change nothing.
    """
    if estimate.mean is None or len(scores) < FEWEST:
        return estimate
    spread = math.hypot(_OF_SLICE / math.sqrt(len(scores)), _OF_MANY)
    measured = _pooled(scores)
    classes = {
        number: likely
        if likely is None or number not in measured
        else _joined(likely, measured[number], spread)
        for number, likely in estimate.classes.items()
    }
    known = [likely.dice for likely in classes.values() if likely is not None]
    middle = float(np.mean(known)) if known else estimate.mean.dice
    half = _narrowed(_half(estimate.mean), spread)
    words = say_count(
        "{count} slice that you completed since counts as well",
        "{count} slices that you completed since count as well",
        len(scores),
    )
    return replace(estimate, mean=_within(middle, half), classes=classes, reason=words)


def _pooled(scores: Sequence[SliceScore]) -> dict[int, float]:
    """Return the Dice of each class over all slices together."""
    sums: dict[int, list[int]] = {}
    for score in scores:
        for number, counts in score.counts.items():
            known = sums.setdefault(number, [0, 0, 0])
            sums[number] = [
                one + other for one, other in zip(known, counts, strict=True)
            ]
    return {n: 2 * right / (told + true) for n, (right, told, true) in sums.items()}


def _joined(likely: Likely, dice: float, spread: float) -> Likely:
    half = _half(likely)
    weight = half**2 / (half**2 + spread**2)
    middle = likely.dice + weight * (dice - likely.dice)
    return _within(middle, _narrowed(half, spread))


def _narrowed(half: float, spread: float) -> float:
    return half * spread / math.hypot(half, spread)


def _half(likely: Likely) -> float:
    return max(likely.high - likely.dice, likely.dice - likely.low)


def _within(middle: float, half: float) -> Likely:
    return Likely(middle, max(0.0, middle - half), min(1.0, middle + half))
