"""How good a prediction is on a volume that nobody annotated: a Dice with an interval.

What was left out of the training gives a Dice. Calibrated probabilities make a Dice expect
of it, and another of the new volume; a part of the difference is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sparseseg.evaluation.estimate import (
    DiceEstimate,
    Evidence,
    Likely,
    Spread,
)
from sparseseg.language import say

LeftOut = Literal["slices", "volume"]
# How much of what is expected more, or less, of a new volume is believed.
TRUST = 0.25
# Slices of the only volume are easier than another volume by so much.
EASIER = 0.2
# A stand-in that learned from n - 1 of n volumes knows less, by so much over n.
KNOWS_LESS = 0.3
# Half of the interval: volumes differ. All of these are from the rows of
# benchmarks/results/elsewhere.json.
HALF: dict[LeftOut, float] = {"slices": 0.25, "volume": 0.2}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What was measured without guidance on what had not been learned from."""

    evidence: Evidence
    left_out: LeftOut
    """Slices of the only volume, or whole volumes in turn."""
    volumes: int
    """From how many the model learned."""

    @property
    def shift(self) -> float:
        """How much better another volume is to be expected than what was measured."""
        return -EASIER if self.left_out == "slices" else KNOWS_LESS / self.volumes

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        told = {"left_out": self.left_out, "volumes": self.volumes}
        return {**told, **self.evidence.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Elsewhere":
        """Read what `to_json` wrote; `ValueError`, `TypeError` or `KeyError` for others."""
        left_out = data["left_out"]
        if left_out not in ("slices", "volume"):
            raise ValueError(f"left out was {left_out}")
        return cls(Evidence.from_json(data), left_out, max(1, int(data["volumes"])))


def estimate_elsewhere(
    found: Elsewhere, expected: Mapping[int, float | None] | None = None
) -> DiceEstimate:
    """Return the estimate of a volume, of which each class is `expected` to be so good.

    `expected` is the Dice by class that the calibrated probabilities make expect; without
    it, the volume is one that is like what was left out. The mean is of the classes that
    were measured; of the others nothing is said.
    """
    spreads = found.evidence.classes.items()
    if expected is None:
        expected = {n: spread.expected for n, spread in spreads if spread is not None}
    known = {n: s for n, s in found.evidence.classes.items() if s is not None}
    by_class = {n: _likely(found, s, expected.get(n)) for n, s in known.items()}
    classes = {n: by_class.get(n) for n in found.evidence.classes}
    if not by_class:
        return DiceEstimate(None, classes, _NOTHING)
    middle = float(np.mean([one.dice for one in by_class.values()]))
    mean = _within(middle, HALF[found.left_out])
    return DiceEstimate(mean, classes, is_elsewhere=True)


def _likely(found: Elsewhere, spread: Spread, expected: float | None) -> Likely:
    """Return the measured Dice, moved a part of the way to what is expected."""
    half = HALF[found.left_out]
    if expected is None:
        return _within(0.0, half)
    moved = TRUST * (expected - spread.expected)
    middle = min(1.0, max(0.0, spread.dice + moved + found.shift))
    return _within(middle, half)


def _within(middle: float, half: float) -> Likely:
    return Likely(middle, max(0.0, middle - half), min(1.0, middle + half))


_NOTHING = say(
    "no estimate: no class is on two slices of what was left out of the training"
)
