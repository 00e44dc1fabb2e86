"""Which slices to annotate next, and why."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import AXES, AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.errors import UserError
from sparseseg.evaluation.gain import Plane, best_planes, distance_of

# A slice with fewer labels than this share is no reason to leave its neighbours out.
_LABELLED = 0.1
_CLASS_SHARE = 2 / 3
# A class stands out on a slice if it has so many times its share of the volume.
_STANDS_OUT = 1.5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A slice to annotate next."""

    axis: int
    """0 for a slice across z, 1 across y, 2 across x."""
    index: int
    reason: str
    """Why, in a few words."""

    def to_json(self) -> dict[str, str | int]:
        """Return what other programs read: the axis is a letter."""
        return {"axis": AXES[self.axis], "index": self.index, "reason": self.reason}


def suggest(
    volume: Volume,
    labels: SparseLabels,
    *,
    model: Model | None = None,
    count: int = 3,
) -> list[Suggestion]:
    """Return the slices to annotate next, the best first.

    Without a model they close the largest gaps. With one, its expected errors count as
    well: those of each class as much as those of each other, so that a rare class is not
    drowned. Raises `UserError` for a count below 1, and for labels or a model that do not
    fit the volume.
    """
    if count < 1:
        raise UserError(f"at least one slice can be suggested, got a count of {count}")
    if labels.shape != volume.shape:
        raise UserError(
            f"the annotation has shape {labels.shape}, the image {volume.shape}: give "
            "the annotation of this image"
        )
    known = [(w.axis, w.index) for w in labels.slices() if _counts(w, volume.shape)]
    least = min(volume.spacing)
    sides = [side / least for side in volume.spacing]
    shares: dict[int, NDArray[np.float32]] = {}
    if model is not None:
        shares = _expected_errors(model, volume, labels)
    error = _joined(shares) if shares else None
    planes = best_planes(error, volume.shape, sides, known, count)
    table = labels.table if model is None else model.table
    return [
        Suggestion(*plane, _reason(plane, volume, sides, known, shares, table))
        for plane in planes
    ]


def _counts(where: AnnotatedSlice, shape: tuple[int, int, int]) -> bool:
    area = int(np.prod(shape)) // shape[where.axis]
    return where.complete or where.voxels >= _LABELLED * area


def _expected_errors(
    model: Model, volume: Volume, labels: SparseLabels
) -> dict[int, NDArray[np.float32]]:
    """Return where each class is in doubt (z, y, x), each with a sum of 1; -1 is all."""
    job = Job(rules=(), extras=frozenset({"uncertainty"}))
    own = labels if labels.slices() else None
    found = finished(segment(model, volume, job, labels=own))
    assert found.uncertainty is not None
    doubt = np.where(labels.array == 0, found.uncertainty, 0).astype(np.float32)
    parts = {-1: doubt}
    for number in model.table.numbers:
        parts[number] = np.where(found.labels == number, doubt, 0).astype(np.float32)
    sums = {number: float(part.sum(dtype=np.float64)) for number, part in parts.items()}
    return {n: part / sums[n] for n, part in parts.items() if sums[n] > 0}


def _joined(shares: dict[int, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Return two thirds the mean over the classes, and one third the doubt of all."""
    classes = [part for number, part in shares.items() if number > 0]
    if not classes:
        return shares.get(-1)
    mean = np.sum(classes, axis=0) / len(classes)
    joined: NDArray[np.float32] = _CLASS_SHARE * mean + (1 - _CLASS_SHARE) * shares[-1]
    return joined


def _reason(
    plane: Plane,
    volume: Volume,
    sides: list[float],
    known: list[Plane],
    shares: dict[int, NDArray[np.float32]],
    table: ClassTable,
) -> str:
    if not known:
        return "nothing is annotated yet: it is in the middle of what is not known"
    axis, index = plane
    usual = 1 / volume.shape[axis]
    there = {
        number: float(np.take(part, index, axis).sum()) / usual
        for number, part in shares.items()
        if number > 0
    }
    if there and max(there.values()) >= _STANDS_OUT:
        worst = max(there, key=lambda number: there[number])
        return f"errors of {table[worst].name} expected"
    away = distance_of(plane, volume.shape, sides, known)
    return f"far from your slices: its voxels are {away:.0f} voxels away on average"
