"""How much a further annotated slice would tell, by what lies far from all others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparseseg.evaluation.matching import Nearest

Floats = NDArray[np.float64]
Plane = tuple[int, int]
"""The axis, 0 for z, and the index of a slice."""

_SIDE = 48  # cells of the coarse grid along an axis, at most


@dataclass(frozen=True, slots=True, eq=False)
class CoarseGrid:
    """The voxels of a volume that stand for all others."""

    shape: tuple[int, int, int]
    sides: Sequence[float]
    """Of a voxel, z, y, x."""
    cells: tuple[NDArray[np.intp], ...]
    """The indices along z, y and x."""

    @classmethod
    def of(cls, shape: tuple[int, int, int], sides: Sequence[float]) -> "CoarseGrid":
        """Take up to 48 indices along each axis, at equal distances."""
        return cls(shape, sides, tuple(map(_spread, shape)))

    def away(self, known: Sequence[Plane]) -> Floats:
        """Return how far each cell (z, y, x) is from the nearest known slice."""
        nearest = Nearest.of(self.shape, self.sides, known)
        along = zip(nearest.along, self.cells, strict=True)
        z, y, x = (distances[cells] for distances, cells in along)
        found: Floats = np.minimum(np.minimum(z[:, None, None], y[:, None]), x)
        return found

    def taught(self, plane: Plane, reach: float) -> Floats:
        """Return how much a slice teaches each cell, ready to meet (z, y, x)."""
        axis, index = plane
        away = np.abs(self.cells[axis] - index) * self.sides[axis]
        shape = [-1 if other == axis else 1 for other in range(3)]
        found: Floats = np.exp(-away / reach).reshape(shape)
        return found


def best_planes(
    grid: CoarseGrid,
    error: NDArray[np.floating] | None,
    known: Sequence[Plane],
    count: int,
) -> list[Plane]:
    """Return the slices to annotate next, the best first.

    A slice teaches a voxel at distance d as much as exp(-d / l); a voxel needs it as
    much as its expected `error` (z, y, x, by cell), 1 everywhere without one. The gain of
    a slice is what it adds to the nearest slice that is there, over all voxels. After each
    choice the gains are computed again, so that two neighbours are never chosen for one
    gap. l is a sixth of the longest side of the volume, or the mean distance to the known
    slices if that is shorter.
    """
    reach = reach_of(grid, known)
    chosen: list[Plane] = []
    for _ in range(count):
        found = gains(grid, error, [*known, *chosen], reach)
        # Of equals the first.
        plane = max(found, key=lambda plane: found[plane], default=None)
        if plane is None:
            break
        chosen.append(plane)
    return chosen


def reach_of(grid: CoarseGrid, known: Sequence[Plane]) -> float:
    """Return l, how far a slice teaches, in voxel sides."""
    sides = zip(grid.shape, grid.sides, strict=True)
    reach = max(length * side for length, side in sides) / 6
    if known:
        reach = min(reach, max(min(grid.sides), float(grid.away(known).mean())))
    return reach


def gains(
    grid: CoarseGrid,
    error: NDArray[np.floating] | None,
    known: Sequence[Plane],
    reach: float,
) -> dict[Plane, float]:
    """Return what each slice adds that is not known; see `best_planes`."""
    worth = np.ones((1, 1, 1)) if error is None else error
    taught = np.exp(-grid.away(known) / reach)

    def gain(plane: Plane) -> float:
        more = np.maximum(0, grid.taught(plane, reach) - taught)
        # Rounded, so that two equal slices are equal whatever the order of sums.
        return round(float((worth * more).sum()), 9)

    return {
        (axis, int(index)): gain((axis, int(index)))
        for axis, cells in enumerate(grid.cells)
        if grid.shape[axis] > 1
        for index in cells
        if (axis, int(index)) not in known
    }


def distance_of(plane: Plane, grid: CoarseGrid, known: Sequence[Plane]) -> float:
    """Return how far the voxels of a slice are from all known ones, on average."""
    cells = list(grid.cells)
    cells[plane[0]] = np.array([plane[1]])
    return float(replace(grid, cells=tuple(cells)).away(known).mean())


def _spread(length: int) -> NDArray[np.intp]:
    count = min(length, _SIDE)
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)
