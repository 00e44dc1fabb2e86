"""How a prediction did on a slice that was annotated only after it had been made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED

Labels = NDArray[np.uint8]
Counts = tuple[int, int, int]
"""The pixels of a class that are right, predicted and true."""


@dataclass(frozen=True, slots=True, eq=False)
class UnseenPlane:
    """What was predicted on a slice before anything was painted there."""

    prediction: Labels
    """(rows, columns), 0 for background."""
    annotation: Labels
    """What was known then: other slices cross it. 0 is unlabelled."""
    method: str
    step: int


@dataclass(frozen=True, slots=True)
class SliceScore:
    """The score of one slice; its pixels that were known before do not count."""

    axis: int
    index: int
    counts: Mapping[int, Counts]
    """By class, without the background."""
    method: str
    step: int
    """Of the training that had made the prediction."""

    @classmethod
    def of(
        cls, plane: tuple[int, int], unseen: UnseenPlane, annotation: Labels
    ) -> "SliceScore":
        """Compare what was predicted on a slice (axis, index) with its annotation now."""
        free = (unseen.annotation == UNLABELLED) & (annotation != UNLABELLED)
        told = unseen.prediction[free].astype(np.intp)
        truth = annotation[free].astype(np.intp) % BACKGROUND
        size = BACKGROUND
        pairs = np.bincount(truth * size + told, minlength=size * size)
        table = pairs.reshape(size, size)
        predicted, true = table.sum(0), table.sum(1)
        numbers = [int(n) for n in np.flatnonzero(predicted + true) if n]
        counts = {
            n: (int(table[n, n]), int(predicted[n]), int(true[n])) for n in numbers
        }
        return cls(*plane, counts, unseen.method, unseen.step)

    @property
    def dice(self) -> dict[int, float]:
        """The Dice of each class that was predicted or is there."""
        return {
            n: 2 * right / (told + true)
            for n, (right, told, true) in self.counts.items()
        }

    @property
    def mean_dice(self) -> float | None:
        """The mean over these classes; None where there is only background."""
        return float(np.mean(list(self.dice.values()))) if self.counts else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "axis": self.axis,
            "index": self.index,
            "counts": {str(n): list(counts) for n, counts in self.counts.items()},
            "method": self.method,
            "step": self.step,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SliceScore":
        """Check and rebuild what `to_json` gave; `ValueError`, `TypeError` or `KeyError`."""
        counts = {int(n): _counts(found) for n, found in dict(data["counts"]).items()}
        axis, index = int(data["axis"]), int(data["index"])
        if axis not in range(3) or index < 0:
            raise ValueError(f"a score of slice {index} across axis {axis}")
        return cls(axis, index, counts, str(data["method"]), int(data["step"]))


def _counts(found: Any) -> Counts:
    right, told, true = map(int, found)
    if not 0 <= right <= min(told, true) or not told + true:
        raise ValueError(f"{right} right of {told} predicted and {true} true pixels")
    return right, told, true
