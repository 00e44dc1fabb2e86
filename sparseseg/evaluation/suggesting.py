"""Which slices to annotate next, and why, by how a volume was annotated and predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import UNLABELLED
from sparseseg.evaluation.gain import CoarseGrid, Plane, best_planes, distance_of
from sparseseg.language import say

Floats = NDArray[np.float32]

_CLASS_SHARE = 2 / 3
# A class stands out on a slice if it has so many times its share of the volume.
_STANDS_OUT = 1.5
# Of all annotated slices, one of so many closes the largest gap, whatever is predicted.
_EVERY = 8


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
        return {"axis": "zyx"[self.axis], "index": self.index, "reason": self.reason}


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """Where a prediction may be wrong, on the cells of a coarse grid."""

    by_class: Mapping[int, Floats]
    """For each predicted class its doubt (z, y, x), with a sum of 1."""
    of_all: Floats
    """(z, y, x), with a sum of 1."""

    @classmethod
    def of(
        cls,
        grid: CoarseGrid,
        *,
        prediction: NDArray[np.uint8],
        uncertainty: NDArray[np.floating] | NDArray[np.uint8],
        annotation: NDArray[np.uint8],
    ) -> "Doubts | None":
        """Read a prediction of a volume (z, y, x); None if it is sure everywhere.

        `uncertainty` is 0 where it is sure, on any scale. Annotated voxels are sure.
        """
        cells = np.ix_(*grid.cells)
        there, free = prediction[cells], annotation[cells] == UNLABELLED
        doubt = np.where(free, uncertainty[cells], 0).astype(np.float32)
        if not doubt.sum() > 0:
            return None
        parts = {int(n): np.where(there == n, doubt, 0) for n in np.unique(there) if n}
        shares = {n: p / p.sum() for n, p in parts.items() if p.sum() > 0}
        return cls(shares, doubt / doubt.sum())

    @property
    def joined(self) -> Floats:
        """Two thirds the mean over the classes, and one third the doubt of all.

        So a rare class counts as much as a frequent one.
        """
        if not self.by_class:
            return self.of_all
        mean = np.mean(list(self.by_class.values()), axis=0)
        joined: Floats = _CLASS_SHARE * mean + (1 - _CLASS_SHARE) * self.of_all
        return joined

    def stands_out(self, axis: int, cell: int) -> int | None:
        """Return the class with much more than its share of doubt on a plane of cells."""
        shares = {
            number: float(np.take(part, cell, axis).sum()) * part.shape[axis]
            for number, part in self.by_class.items()
        }
        worst = max(shares, key=lambda number: shares[number], default=None)
        return worst if worst is not None and shares[worst] >= _STANDS_OUT else None


def suggested(
    grid: CoarseGrid,
    known: Sequence[Plane],
    *,
    count: int,
    doubts: Doubts | None = None,
    names: Mapping[int, str],
) -> list[Suggestion]:
    """Return the slices to annotate next, the best first.

    Without `doubts` they close the largest gaps between the `known` slices. With them,
    the gaps count as much as the prediction is in doubt there, but for every eighth
    annotated slice: a prediction can be sure of what it never saw.
    """
    planes, found = list(known), list[Suggestion]()
    for turn in range(len(known) + 1, len(known) + count + 1):
        heard = None if turn % _EVERY == 0 else doubts
        error = None if heard is None else heard.joined
        for plane in best_planes(grid, error, planes, 1):
            reason = _reason(plane, grid, known, heard, names)
            found.append(Suggestion(*plane, reason))
            planes.append(plane)
    return found


def sides_of(spacing: Sequence[float]) -> list[float]:
    """Return the sides of a voxel, z, y, x, in units of its shortest one."""
    least = min(spacing)
    return [side / least for side in spacing]


def _reason(
    plane: Plane,
    grid: CoarseGrid,
    known: Sequence[Plane],
    doubts: Doubts | None,
    names: Mapping[int, str],
) -> str:
    if not known:
        return say("nothing is annotated yet: it is in the middle of what is not known")
    axis, index = plane
    cell = int(np.searchsorted(grid.cells[axis], index))
    worst = None if doubts is None else doubts.stands_out(axis, cell)
    if worst is not None:
        name = names.get(worst) or say("class {number}", number=worst)
        return say("errors of {name} expected", name=name)
    away = distance_of(plane, grid, known)
    return say("far from your slices ({away:.0f} voxels on average)", away=away)
