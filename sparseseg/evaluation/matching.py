"""Held-out voxels, weighted so that they lie as far from the labels as all others do.

The nearer a voxel is to an annotated slice, the easier it is. A slice that was left out
lies farther from the other slices than most voxels that nobody annotated, so its plain
Dice is too low. Weights by distance take that out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Triple

EDGES = (0.5, 1.5, 2.5, 3.5, 5.5, 8.5, 12.5, 20.5)
"""Between the bins of distance, in sides of a voxel along its shortest axis."""
BINS = len(EDGES) + 1
# Fewer voxels than these say too little of a bin: it joins its neighbour.
_FEWEST = 200
FAR = 1e4
"""The distance where no slice is annotated."""

Counts = NDArray[np.float64]
"""(slice, bin, class, 3): the voxels that are right, predicted and true."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """How far each voxel is from the nearest of some planes, in voxel sides."""

    along: tuple[NDArray[np.float64], ...]
    """For z, y and x, the distance of each plane to the nearest annotated plane."""

    @classmethod
    def of(
        cls,
        shape: Triple,
        sides: Sequence[float],
        planes: Sequence[tuple[int, int]],
    ) -> "Nearest":
        """Measure from planes (axis, index) of a volume with voxels of these sides."""
        along = tuple(np.full(length, FAR) for length in shape)
        for axis, index in planes:
            away = np.abs(np.arange(shape[axis]) - index) * sides[axis]
            np.minimum(along[axis], away, out=along[axis])
        return cls(along)

    @property
    def shape(self) -> Triple:
        """The number of voxels along z, y, x."""
        z, y, x = map(len, self.along)
        return z, y, x

    def every(self, cells: Sequence[slice]) -> "Nearest":
        """Return the same of some planes along each axis only."""
        pairs = zip(self.along, cells, strict=True)
        return Nearest(tuple(distances[planes] for distances, planes in pairs))

    def __call__(self, box: Box) -> NDArray[np.float64]:
        """Return the distances (z, y, x) of a box."""
        z, y, x = (a[s] for a, s in zip(self.along, box.slices, strict=True))
        nearest: NDArray[np.float64] = np.minimum(
            np.minimum(z[:, None, None], y[:, None]), x
        )
        return nearest


def binned(distances: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the bin of each distance."""
    return np.digitize(distances, EDGES)


def histogram(nearest: Nearest, free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how many of the voxels that are `free` (z, y, x) lie in each bin."""
    # The bin of the least distance is the least bin.
    along_z, y, x = (binned(part).astype(np.uint8) for part in nearest.along)
    plane = np.minimum(y[:, None], x)
    total = np.zeros(BINS)
    for z, own in enumerate(along_z):
        total += np.bincount(np.minimum(plane, own)[free[z]], minlength=BINS)
    return total


def only_far() -> NDArray[np.float64]:
    """Return the histogram of voxels of which none is near an annotated slice."""
    found = np.zeros(BINS)
    found[-1] = 1
    return found


def counted(
    told: NDArray[np.intp],
    truth: NDArray[np.intp],
    distances: NDArray[np.float64],
    outputs: int,
) -> Counts:
    """Count the voxels (n) of one slice by bin and class: (bin, class, 3).

    A voxel at distance 0 lies on a plane that was learned from and is left out.
    """
    away = distances > 0
    told, truth, place = told[away], truth[away], binned(distances[away])
    found = np.zeros((BINS, outputs, 3))
    for column, (members, which) in enumerate(
        (
            ((told == truth), truth),
            (np.ones(len(told), bool), told),
            (truth >= 0, truth),
        )
    ):
        np.add.at(found[:, :, column], (place[members], which[members]), 1)
    return found


def weights(held_out: NDArray[np.float64], wanted: NDArray[np.float64]) -> Counts:
    """Return the weight of each bin (bins): its share of `wanted` over that it has.

    Neighbouring bins are merged until each has 200 held-out voxels. A bin with no
    held-out voxel gives its share to the nearest bin that has some.
    """
    result = np.zeros(len(held_out))
    total = wanted.sum()
    if not total or not held_out.sum():
        return result
    for group in _groups(held_out):
        share = wanted[group].sum() / total
        result[group] = share * held_out.sum() / held_out[group].sum()
    return result


def dice(counts: Counts, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Dice of each class, of pooled slices weighted to `wanted` (bins).

    NaN stands for a class that is neither there nor predicted. The voxels of all
    classes together decide how many held-out voxels a bin has.
    """
    pooled = counts.sum(0)
    by_bin = weights(pooled[:, :, 2].sum(1), wanted)
    right, predicted, true = np.einsum("b,bkc->ck", by_bin, pooled)
    size = predicted + true
    result: NDArray[np.float64] = np.divide(
        2 * right, size, out=np.full(len(size), np.nan), where=size > 0
    )
    return result


def _groups(held_out: NDArray[np.float64]) -> list[list[int]]:
    """Cut the bins into runs that each have enough voxels, or into a single run."""
    groups: list[list[int]] = []
    run: list[int] = []
    for place in range(len(held_out)):
        run.append(place)
        if held_out[run].sum() >= _FEWEST:
            groups.append(run)
            run = []
    if not groups:
        return [run]
    groups[-1].extend(run)
    return groups
