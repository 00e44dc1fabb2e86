"""Which slices of a volume a person annotated, told from the array alone.

A line of a z slice also lies in every y plane and x plane, which does not make those
annotated. So every labelled voxel is given to the slice that explains it best:

1. A plane without any unlabelled voxel is complete and explains all its voxels; where
   complete slices cross, the voxel belongs to each of them.
2. Each other labelled voxel goes to that one of the three planes through it of which the
   largest share is labelled, not counting what complete slices explain; of equals, to
   the lower axis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import UNLABELLED
from sparseseg.data.numbering import to_annotation
from sparseseg.errors import UserError

AXES = "zyx"

# A slice with fewer labels than this share is no reason to leave its neighbours out.
_WELL_LABELLED = 0.1

Mask = NDArray[np.bool_]
Counts = NDArray[np.intp]
Share = NDArray[np.float64]
# For each z, the places y * width + x of labelled voxels that no complete slice explains.
_Strays = dict[int, NDArray[np.uint32]]


@dataclass(frozen=True, slots=True)
class AnnotatedSlice:
    """One plane of the volume that a person annotated, wholly or in part."""

    axis: int
    """0 for a slice across z, 1 across y, 2 across x."""
    index: int
    voxels: int
    """The labelled voxels that belong to this slice."""
    complete: bool
    """Whether no voxel of the plane is unlabelled."""

    def __str__(self) -> str:
        return f"{AXES[self.axis]} {self.index}"


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What decides, at one look, to which slice each labelled voxel belongs."""

    complete: tuple[Mask, Mask, Mask]
    """Which planes across z, y, x are complete."""
    share: tuple[Share, Share, Share]
    """Of each plane, the labelled share of what complete slices do not explain."""
    slices: tuple[AnnotatedSlice, ...]
    """By axis and index."""

    def members(self, axis: int, index: int, labelled: Mask) -> Mask:
        """Return which labelled voxels of one plane belong to its slice."""
        if self.complete[axis][index]:
            return labelled
        rows, columns = (other for other in range(3) if other != axis)
        explained = self.complete[rows][:, None] | self.complete[columns]
        shares = [self.share[rows][:, None], self.share[columns][None]]
        shares.insert(axis, self.share[axis][index, None, None])
        members: Mask = labelled & ~explained & (_largest(*shares) == axis)
        return members


def survey(annotation: NDArray[np.uint8]) -> Survey:
    """Find the annotated slices of an annotation, axes z, y, x."""
    shape = annotation.shape
    complete = _complete_planes(annotation)
    strays = {z: p for z, p in _find_strays(annotation, complete) if p.size}
    share = _shares(_tally(strays, shape), complete)
    owned = _tally(strays, shape, share)
    return Survey(complete, share, tuple(_annotated(owned, complete)))


def well_labelled(
    slices: Sequence[AnnotatedSlice], shape: tuple[int, int, int]
) -> list[tuple[int, int]]:
    """Return axis and index of the slices of a volume that hold more than a few strokes."""
    areas = [prod(shape) // length for length in shape]
    return [
        (where.axis, where.index)
        for where in slices
        if where.complete or where.voxels >= _WELL_LABELLED * areas[where.axis]
    ]


def annotate_slices(
    truth: NDArray[np.integer[Any]], counts: Sequence[int], *, shift: float = 0.0
) -> NDArray[np.uint8]:
    """Return an annotation of whole slices at equal distances, from a dense truth.

    `counts` are the slices across z, y, x, at (i + 1/2) / count of each axis, moved by
    `shift` of a distance. 0 in the truth becomes background, other planes unlabelled.
    """
    annotation = np.full(truth.shape, UNLABELLED, np.uint8)
    for axis, count in enumerate(counts):
        planes = _spread(truth.shape[axis], count, shift)
        at = (slice(None),) * axis + (planes,)
        annotation[at] = to_annotation(truth[at], unlabelled=-1, background=0)
    return annotation


def _spread(length: int, count: int, shift: float) -> list[int]:
    places = [int(length * (i + 0.5 + shift) / count) for i in range(count)]
    if any(place < 0 for place in places):
        raise UserError("shift must be -0.5 or more, got {shift}", shift=shift)
    return [min(length - 1, place) for place in places]


def _complete_planes(annotation: NDArray[np.uint8]) -> tuple[Mask, Mask, Mask]:
    # One minimum over z tells of all y and x planes, and a corner of most z planes.
    columns = annotation.min(axis=0) != UNLABELLED
    z = [bool(plane[0, 0]) and bool(plane.all()) for plane in annotation]
    return np.array(z), columns.all(axis=1), columns.all(axis=0)


def _find_strays(
    annotation: NDArray[np.uint8], complete: tuple[Mask, Mask, Mask]
) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    unexplained = ~(complete[1][:, None] | complete[2])
    for z in np.flatnonzero(~complete[0]):
        labelled = (annotation[z] != UNLABELLED) & unexplained
        yield int(z), np.flatnonzero(labelled).astype(np.uint32)


def _tally(
    strays: _Strays,
    shape: tuple[int, ...],
    share: tuple[Share, Share, Share] | None = None,
) -> tuple[Counts, Counts, Counts]:
    """Count the strays on each plane, or those that fall to it by its share."""
    z_count, y_count, x_count = (np.zeros(length, np.intp) for length in shape)
    for z, places in strays.items():
        y, x = np.divmod(places, shape[2])
        every = np.ones(len(places), bool)
        falls = (every, every, every)
        if share is not None:
            winner = _largest(share[0][z, None], share[1][y], share[2][x])
            falls = (winner == 0, winner == 1, winner == 2)
        z_count[z] = np.count_nonzero(falls[0])
        y_count += np.bincount(y[falls[1]], minlength=shape[1])
        x_count += np.bincount(x[falls[2]], minlength=shape[2])
    return z_count, y_count, x_count


def _largest(z: Share, y: Share, x: Share) -> Counts:
    """Return the axis of the largest share at each voxel, the lowest of equals."""
    return np.where(x > np.maximum(z, y), 2, (y > z).astype(np.intp))


def _shares(
    counts: tuple[Counts, Counts, Counts], complete: tuple[Mask, Mask, Mask]
) -> tuple[Share, Share, Share]:
    z, y, x = (max(1, int(np.count_nonzero(~mask))) for mask in complete)
    return counts[0] / (y * x), counts[1] / (z * x), counts[2] / (z * y)


def _annotated(
    owned: tuple[Counts, Counts, Counts], complete: tuple[Mask, Mask, Mask]
) -> Iterator[AnnotatedSlice]:
    shape = tuple(len(mask) for mask in complete)
    for axis, (counts, whole) in enumerate(zip(owned, complete, strict=True)):
        area = prod(shape) // shape[axis]
        for index in map(int, np.flatnonzero(whole | (counts > 0))):
            voxels = area if whole[index] else int(counts[index])
            yield AnnotatedSlice(axis, index, voxels, bool(whole[index]))
