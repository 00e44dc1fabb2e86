"""How good a prediction is between the annotated slices: a Dice with an interval.

Two opinions are averaged. One is the Dice of slices that were left out, weighted by
distance (`sparseseg.evaluation.matching`). The other is the Dice that calibrated
probabilities make expect of the prediction itself (`sparseseg.evaluation.calibration`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.evaluation.matching import Counts, dice

FEWEST_SLICES = 3
FEWEST_OF_CLASS = 2
# How errors shrink with slices, (n of a fold / n of all) ** b; and the b that it might be.
CURVE, LOW_CURVE, HIGH_CURVE = 0.4, 0.2, 0.7
# The factor under which 85% of the intervals hold the truth: see benchmarks/honesty.py.
WIDTH = 1.0
_LEAST_WIDTH = 0.005
_JACKKNIFE = 1.4
_AGREEMENT = 0.03

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likely:
    """A Dice, and the interval that it lies in with 85% probability."""

    dice: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return plain numbers."""
        return {"dice": self.dice, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Estimate:
    """The Dice of the voxels that were not annotated: the mean of classes, and each."""

    mean: Likely | None
    """None where nothing can be said; `reason` says why."""
    classes: Mapping[int, Likely | None]
    reason: str = ""

    def to_json(self) -> dict[str, Any] | None:
        """Return what other programs read; None where nothing can be said."""
        if self.mean is None:
            return None
        by_class = {
            str(number): None if found is None else found.to_json()
            for number, found in self.classes.items()
        }
        mean = self.mean
        return {
            "mean_dice": mean.dice,
            "low": mean.low,
            "high": mean.high,
            "classes": by_class,
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """What the left-out slices say of one class, or of the mean of all."""

    dice: float
    error: float
    """The standard error, by a jackknife over slices."""
    curve: float
    """By how much the Dice would differ, if errors shrank slower or faster."""
    slices: int
    """On how many annotated slices it is."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What slices that were left out say of a method; a model keeps it."""

    method: str
    slices: int
    """How many were left out, each by a model that had not seen it."""
    share: float
    """Of the annotated slices, what a model of a fold has learned from, 0..1."""
    classes: Mapping[int, Spread | None]
    """Without the background; None for a class on fewer than two slices."""
    mean: Spread | None
    calibration: tuple[float, float, float, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {n: None if s is None else _numbers(s) for n, s in self.classes.items()}
        return {
            "method": self.method,
            "slices": self.slices,
            "share": self.share,
            "classes": {str(number): spread for number, spread in plain.items()},
            "mean": None if self.mean is None else _numbers(self.mean),
            "calibration": list(self.calibration),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evidence":
        """Read what `to_json` wrote; `ValueError`, `TypeError` or `KeyError` for others."""
        t0, t1, t2, t3 = map(float, data["calibration"])
        if not all(map(math.isfinite, (t0, t1, t2, t3))):
            raise ValueError("a calibration that is no number")
        return cls(
            method=str(data["method"]),
            slices=int(data["slices"]),
            share=float(data["share"]),
            classes={int(n): _spread(s) for n, s in data["classes"].items()},
            mean=_spread(data["mean"]),
            calibration=(t0, t1, t2, t3),
        )


def spreads(
    counts: Counts, wanted: Floats, share: float, seen: Mapping[int, int]
) -> tuple[dict[int, Spread | None], Spread | None]:
    """Return what left-out slices (slice, bin, class, 3) say of each class and of all.

    `wanted` says how many voxels that nobody annotated lie in each bin, `share` of how
    many slices a model of a fold has learned, and `seen`, by the place of a class, on
    how many slices it is. The mean is over the classes that are on two slices at least.
    """
    places = [place for place, slices in seen.items() if slices >= FEWEST_OF_CLASS]
    whole = dice(counts, wanted)
    fewer = [dice(np.delete(counts, n, 0), wanted) for n in range(len(counts))]
    rows = np.array([whole, *fewer])
    found: dict[int, Spread | None] = dict.fromkeys(seen)
    for place in places:
        if math.isfinite(whole[place]):
            found[place] = _spread_of(rows[:, place], share, seen[place])
    there = [place for place in places if found[place] is not None]
    if len(counts) < FEWEST_SLICES or not there:
        return found, None
    return found, _spread_of(np.nanmean(rows[:, there], 1), share, len(counts))


def learned_more(dice: float, share: float, curve: float = CURVE) -> float:
    """Return the Dice with all slices, where `share` of them gave `dice`."""
    return float(1 - (1 - dice) * share**curve)


def estimate(evidence: Evidence, expected: Mapping[int, float | None]) -> Estimate:
    """Return the estimate of a prediction, of which each class is `expected` to be so good.

    `expected` is the Dice by class that the calibrated probabilities of the prediction
    make expect, over the voxels that were not annotated.
    """
    if evidence.mean is None:
        return Estimate(None, dict.fromkeys(evidence.classes), _too_few(evidence))
    likely: dict[int, Likely | None] = {}
    pairs = []
    for number, spread in evidence.classes.items():
        second = expected.get(number)
        likely[number] = None
        if spread is not None:
            second = spread.dice if second is None else second
            pairs.append((spread.dice, learned_more(second, evidence.share)))
            likely[number] = _likely(spread, *pairs[-1])
    first, second = (float(np.mean(side)) for side in zip(*pairs, strict=True))
    mean = _likely(evidence.mean, first, second)
    return Estimate(mean, likely, _unknown(evidence))


def _likely(spread: Spread, first: float, second: float) -> Likely:
    middle = (first + second) / 2
    half = WIDTH * math.hypot(_JACKKNIFE * spread.error, spread.curve) + _LEAST_WIDTH
    half += max(0.0, abs(first - second) - _AGREEMENT) / 2
    return Likely(middle, max(0.0, middle - half), min(1.0, middle + half))


def _spread_of(values: Sequence[float] | Floats, share: float, slices: int) -> Spread:
    """Take the whole first, then each without one slice."""
    whole, fewer = float(values[0]), np.asarray(values[1:])
    fewer = fewer[np.isfinite(fewer)]
    count = max(1, len(fewer))
    error = math.sqrt(
        (count - 1) / count * float(np.square(fewer - fewer.mean()).sum())
    )
    slow, fast = (learned_more(whole, share, b) for b in (LOW_CURVE, HIGH_CURVE))
    return Spread(learned_more(whole, share), error, abs(fast - slow) / 2, slices)


def _too_few(evidence: Evidence) -> str:
    return (
        f"no estimate: it needs {FEWEST_SLICES} annotated slices with classes on "
        f"{FEWEST_OF_CLASS} of them, and {evidence.slices} could be left out in turn"
    )


def _unknown(evidence: Evidence) -> str:
    unknown = [str(n) for n, spread in evidence.classes.items() if spread is None]
    if not unknown:
        return ""
    noun, verb = ("class", "is") if len(unknown) == 1 else ("classes", "are")
    return (
        f"{noun} {', '.join(unknown)} {verb} not in the estimate: paint it on "
        f"{FEWEST_OF_CLASS} slices at least"
    )


def _numbers(spread: Spread) -> list[float]:
    return [spread.dice, spread.error, spread.curve, spread.slices]


def _spread(data: Any) -> Spread | None:
    if data is None:
        return None
    dice, error, curve = map(float, data[:3])
    if not all(map(math.isfinite, (dice, error, curve))):
        raise ValueError("a score that is no number")
    return Spread(dice, error, curve, int(data[3]))
