"""How good a prediction is between the annotated slices: a Dice with an interval.

Slices that were left out give a Dice, weighted by distance
(`sparseseg.evaluation.matching`). But a stand-in has predicted them, which knows less than
what predicts in the end. Calibrated probabilities (`sparseseg.evaluation.calibration`) make
a Dice expect of the left-out slices and another of the prediction; their difference is
added. It corrects the measured Dice, and what is wrong with both expectations alike goes
(as in prediction-powered inference, Angelopoulos et al., Science 2023).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.evaluation.matching import Counts, dice
from sparseseg.evaluation.reliability import SureVoxels
from sparseseg.language import say, say_count

FEWEST_SLICES = 3
FEWEST_OF_CLASS = 2
# How much of a correction is only that a network is surer of itself than the classifiers that
# stand in for it: the best of 0, 0.02, 0.03 and 0.04 on the rows of
# benchmarks/results/honesty.json. A walker or trees stand in for themselves.
OVERCONFIDENCE = 0.03
# Half of the interval: at least so much, and of the error by slices and of the correction such
# parts. They hold 89% of the truths in those rows.
LEAST_WIDTH, OF_ERROR, OF_CORRECTION = 0.02, 0.5, 0.15
# Strokes lie where it is easy. So much less is to be expected of slices that are hardly
# labelled. A few strokes are off by more than they show: half of the interval is so much wider.
STROKES, OF_STROKES = 0.05, 0.1
# What is missing to a Dice of 1 falls with so high a power of the number of slices: between
# the medians of benchmarks/results/honesty.json, 0.42, and economy.json, 0.60.
LEARNING = 0.5

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
class DiceEstimate:
    """The Dice of the voxels that were not annotated: the mean of classes, and each."""

    mean: Likely | None
    """None where nothing can be said; `reason` says why."""
    classes: Mapping[int, Likely | None]
    reason: str = ""
    evidence: "Evidence | None" = field(default=None, compare=False, repr=False)
    """What it was made from, if that is known."""
    is_elsewhere: bool = False
    """Whether it is of a volume that nobody annotated."""

    def with_slices(self, more: int) -> float | None:
        """Return the Dice that can be expected of so many slices more; None if unknown."""
        if self.mean is None or self.evidence is None or not self.evidence.annotated:
            return None
        now = self.evidence.annotated
        return 1 - (1 - self.mean.dice) * float((now / (now + more)) ** LEARNING)

    def __str__(self) -> str:
        if self.mean is None:
            return self.reason
        mean = self.mean
        if self.is_elsewhere:
            return say(
                "{dice:.2f} ({low:.2f} to {high:.2f}) without slices of this volume",
                dice=mean.dice,
                low=mean.low,
                high=mean.high,
            )
        return say(
            "{dice:.2f} ({low:.2f} to {high:.2f}) between your slices",
            dice=mean.dice,
            low=mean.low,
            high=mean.high,
        )

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

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DiceEstimate":
        """Read what `to_json` wrote; `ValueError`, `TypeError` or `KeyError` for others."""
        mean = Likely(*(float(data[name]) for name in ("mean_dice", "low", "high")))
        classes = {
            int(number): Likely(*(float(found[n]) for n in ("dice", "low", "high")))
            for number, found in data["classes"].items()
        }
        return cls(mean, classes)


@dataclass(frozen=True, slots=True)
class Spread:
    """What the left-out slices say of one class, or of the mean of all."""

    dice: float
    expected: float
    """The Dice that calibrated probabilities make expect of the same pixels."""
    error: float
    """The standard error, by a jackknife over slices."""
    slices: int
    """On how many annotated slices it is."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What slices that were left out say of a method; a model keeps it."""

    method: str
    slices: int
    """How many were left out, each by a model that had not seen it."""
    classes: Mapping[int, Spread | None]
    """Without the background; None for a class on fewer than two slices."""
    mean: Spread | None
    calibration: tuple[float, float, float, float]
    now: Mapping[int, float] = field(default_factory=dict)
    """The Dice by class that is expected of planes that nobody annotated."""
    annotated: int = 0
    """How many slices were learned from; 0 where an earlier version did not say."""
    labelled: float = 1.0
    """The share of the pixels of the left-out slices that is labelled: 1 without strokes."""
    reliability: tuple[SureVoxels, ...] = ()
    """How sure the answers of what had not seen a slice are, and how often right."""
    by_network: float = 1.0
    """How much of the answer is a network's: 0 for a walker alone."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {n: None if s is None else _numbers(s) for n, s in self.classes.items()}
        return {
            "method": self.method,
            "slices": self.slices,
            "classes": {str(number): spread for number, spread in plain.items()},
            "mean": None if self.mean is None else _numbers(self.mean),
            "calibration": list(self.calibration),
            "now": {str(number): dice for number, dice in self.now.items()},
            "annotated": self.annotated,
            "labelled": self.labelled,
            "reliability": [list(bins) for bins in self.reliability],
            "by_network": self.by_network,
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
            classes={int(n): _spread(s) for n, s in data["classes"].items()},
            mean=_spread(data["mean"]),
            calibration=(t0, t1, t2, t3),
            now={int(n): float(dice) for n, dice in data.get("now", {}).items()},
            annotated=int(data.get("annotated", 0)),
            labelled=_share(data.get("labelled", 1.0)),
            reliability=tuple(map(_sure, data.get("reliability", ()))),
            by_network=_share(data.get("by_network", 1.0)),
        )


def spreads(
    counts: Counts, wanted: Floats, expected: Floats, seen: Mapping[int, int]
) -> tuple[dict[int, Spread | None], Spread | None]:
    """Return what left-out slices (slice, bin, class, 3) say of each class and of all.

    `wanted` says how many voxels that nobody annotated lie in each bin, `expected` (class)
    is the Dice that is expected of the left-out pixels, and `seen`, by the place of a
    class, on how many slices it is. The mean is over the classes that are on two slices
    at least.
    """
    whole = dice(counts, wanted)
    fewer = [dice(np.delete(counts, n, 0), wanted) for n in range(len(counts))]
    rows = np.array([whole, *fewer])
    found: dict[int, Spread | None] = dict.fromkeys(seen)
    for place, slices in seen.items():
        is_known = np.isfinite([whole[place], expected[place]]).all()
        if slices >= FEWEST_OF_CLASS and is_known:
            found[place] = _spread_of(rows[:, place], expected[place], slices)
    there = [place for place, spread in found.items() if spread is not None]
    if len(counts) < FEWEST_SLICES or not there:
        return found, None
    means = np.nanmean(rows[:, there], 1)
    return found, _spread_of(means, expected[there].mean(), len(counts))


def estimate(
    evidence: Evidence, expected: Mapping[int, float | None] | None = None
) -> DiceEstimate:
    """Return the estimate of a prediction, of which each class is `expected` to be so good.

    `expected` is the Dice by class that the calibrated probabilities of the prediction
    make expect, over the voxels that were not annotated; without it, a few planes stand
    for all. A class that was not predicted has a Dice of 0. There is no mean if a class is on
    fewer than two slices.
    """
    if expected is None:
        expected = evidence.now
    unknown = [n for n, spread in evidence.classes.items() if spread is None]
    known = {n: s for n, s in evidence.classes.items() if s is not None}
    likely = {n: _likely(evidence, s, expected.get(n)) for n, s in known.items()}
    by_class = {number: likely.get(number) for number in evidence.classes}
    if evidence.mean is None:
        nothing = dict.fromkeys(evidence.classes)
        return DiceEstimate(None, nothing, _too_few(evidence), evidence)
    if unknown:
        return DiceEstimate(None, by_class, _unknown(unknown), evidence)
    middle = float(np.mean([found.dice for found in likely.values()]))
    moved = middle + _easy(evidence) - evidence.mean.dice
    mean = _around(evidence, middle, evidence.mean, moved)
    return DiceEstimate(mean, by_class, evidence=evidence)


def _likely(evidence: Evidence, spread: Spread, expected: float | None) -> Likely:
    """Return the measured Dice, corrected by what is expected now and was then."""
    if expected is None:
        return _around(evidence, 0.0, spread, 0.0)
    moved = _trusted(expected - spread.expected, OVERCONFIDENCE * evidence.by_network)
    middle = min(1.0, max(0.0, spread.dice + moved - _easy(evidence)))
    return _around(evidence, middle, spread, moved)


def _trusted(moved: float, sure: float) -> float:
    """Return what is believed of a correction: small ones are self-confidence alone."""
    return math.copysign(max(0.0, abs(moved) - sure), moved)


def _easy(evidence: Evidence) -> float:
    """Return how much easier what is labelled is than the rest of its slices."""
    return STROKES * (1 - evidence.labelled)


def _around(evidence: Evidence, middle: float, spread: Spread, moved: float) -> Likely:
    wide = math.hypot(OF_ERROR * spread.error, OF_CORRECTION * moved)
    half = LEAST_WIDTH + OF_STROKES * (1 - evidence.labelled) + wide
    return Likely(middle, max(0.0, middle - half), min(1.0, middle + half))


def _spread_of(values: Floats, expected: float, slices: int) -> Spread:
    """Take the whole first, then each without one slice."""
    fewer = values[1:][np.isfinite(values[1:])]
    count = max(1, len(fewer))
    squares = float(np.square(fewer - fewer.mean()).sum()) if len(fewer) else 0.0
    error = math.sqrt((count - 1) / count * squares)
    return Spread(float(values[0]), float(expected), error, slices)


def _too_few(evidence: Evidence) -> str:
    if evidence.slices >= FEWEST_SLICES:
        return say(
            "no estimate: no class is on {fewest} of the {slices} slices that were left out "
            "in turn, or every voxel is annotated",
            fewest=FEWEST_OF_CLASS,
            slices=evidence.slices,
        )
    return say(
        "no estimate: it needs {fewest_slices} annotated slices with classes on "
        "{fewest} of them, and {slices} could be left out in turn",
        fewest_slices=FEWEST_SLICES,
        fewest=FEWEST_OF_CLASS,
        slices=evidence.slices,
    )


def _unknown(numbers: Sequence[int]) -> str:
    words = ", ".join(map(str, numbers))
    return say_count(
        "no estimate of the mean: paint class {numbers} on {fewest} slices at least",
        "no estimate of the mean: paint classes {numbers} on {fewest} slices at least",
        len(numbers),
        numbers=words,
        fewest=FEWEST_OF_CLASS,
    )


def _numbers(spread: Spread) -> list[float]:
    return [spread.dice, spread.expected, spread.error, spread.slices]


def _share(data: Any) -> float:
    return min(1.0, max(0.0, float(data)))


def _sure(data: Any) -> SureVoxels:
    sure, right, share = map(float, data)
    if not all(0 <= value <= 1 for value in (sure, right, share)):
        raise ValueError("a share that is not between 0 and 1")
    return SureVoxels(sure, right, share)


def _spread(data: Any) -> Spread | None:
    if data is None:
        return None
    dice, expected, error = map(float, data[:3])
    if not all(map(math.isfinite, (dice, expected, error))):
        raise ValueError("a score that is no number")
    return Spread(dice, expected, error, int(data[3]))
