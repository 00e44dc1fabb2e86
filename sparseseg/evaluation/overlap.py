"""Which voxels two segmentations share: counts of classes, and what is made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND
from sparseseg.errors import UserError

Labels = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Table = NDArray[np.intp]
"""Voxels by class in the truth (rows) and in the prediction (columns)."""
Within = Mapping[int, int]
"""The class that another class lies within, as a tumour within its organ."""
ByClass = dict[int, float | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many voxels a class has in both segmentations, and in each of them."""

    both: int
    prediction: int
    truth: int


def check_within(within: Within) -> None:
    """Raise `UserError` for what is no class, or lies within itself."""
    for number in {*within, *within.values()}:
        if not 0 < number < BACKGROUND:
            raise UserError(
                "a class within another is 1 to 254, got {number}", number=number
            )
    for number in within:
        outer = number
        for _ in within:
            outer = within.get(outer, 0)
            if outer == number:
                raise UserError(
                    "class {number} is said to lie within itself: name each class "
                    "within a larger one",
                    number=number,
                )


def members(number: int, within: Within) -> list[int]:
    """Return a class and all that lie within it."""
    inner = [c for c, outer in within.items() if outer == number]
    return [number, *(m for c in inner for m in members(c, within))]


def confusion(prediction: Labels, truth: Labels, scored: Mask) -> Table:
    """Count the scored voxels of classes 0 to 254."""
    size = BACKGROUND
    table: Table = np.zeros(size * size, np.intp)
    # Plane by plane, because bincount copies what it counts to 64 bits.
    for p, t, s in zip(prediction, truth, scored, strict=True):
        pairs = t[s].astype(np.intp) * size + p[s]
        table += np.bincount(pairs, minlength=size * size)
    return table.reshape(size, size)


def counts(table: Table, within: Within) -> dict[int, Counts]:
    """Count the classes that are in either, each with what lies within it."""
    present = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    numbers = {int(number) for number in present}
    # An organ may be all tumour.
    for number in tuple(numbers):
        while number := within.get(number, 0):
            numbers.add(number)
    return {c: counts_of(table, members(c, within)) for c in sorted(numbers)}


def counts_of(table: Table, region: list[int]) -> Counts:
    """Count the voxels of several classes as if they were one."""
    both = table[np.ix_(region, region)].sum()
    prediction, truth = table[:, region].sum(), table[region].sum()
    return Counts(int(both), int(prediction), int(truth))


def overlap_scores(found: Mapping[int, Counts]) -> dict[str, Any]:
    """Return IoU, Dice, VOE and RVD of each class, and means without the background."""
    iou = {c: n.both / (n.prediction + n.truth - n.both) for c, n in found.items()}
    dice = {c: 2 * n.both / (n.prediction + n.truth) for c, n in found.items()}
    return {
        "iou": iou,
        "dice": dice,
        "mean_iou": mean_of_classes(iou),
        "mean_dice": mean_of_classes(dice),
        "voe": {c: 1 - score for c, score in iou.items()},
        "rvd": {c: _relative_difference(n) for c, n in found.items()},
    }


def mean_of_classes(scores: Mapping[int, float]) -> float | None:
    """Return the mean without the background; None where there is no class."""
    found = [score for number, score in scores.items() if number > 0]
    return float(np.mean(found)) if found else None


def _relative_difference(found: Counts) -> float | None:
    if not found.truth:
        return None
    return (found.prediction - found.truth) / found.truth
