"""What changed from one prediction of a volume to another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Difference:
    """How many voxels differ, of which classes, and where most of them are."""

    voxels: int
    share: float
    """Of all voxels."""
    gained: Mapping[int, int]
    """By class of either prediction, how many voxels the later one has more."""
    where: tuple[int, int]
    """The axis, 0 for z, and the index of the slice with the largest share changed."""


def difference_between(before: Labels, after: Labels) -> Difference:
    """Compare two predictions (z, y, x; 0 is background)."""
    differs = before != after
    voxels = int(np.count_nonzero(differs))
    counts = [np.bincount(part.reshape(-1), minlength=256) for part in (before, after)]
    there = np.flatnonzero(counts[0] + counts[1])
    gained = {int(n): int(counts[1][n] - counts[0][n]) for n in there if n}
    return Difference(voxels, voxels / differs.size, gained, _most(differs))


def differing_labels(before: Labels, after: Labels) -> Labels:
    """Return the later class where the two differ, 255 for background, and else 0."""
    now = np.where(after == 0, np.uint8(BACKGROUND), after)
    found: Labels = np.where(before != after, now, np.uint8(0))
    return found


def _most(differs: NDArray[np.bool_]) -> tuple[int, int]:
    shares = [
        differs.mean(tuple(other for other in range(3) if other != axis))
        for axis in range(3)
    ]
    axis = int(np.argmax([share.max() for share in shares]))
    return axis, int(shares[axis].argmax())
