"""What may not be changed on an annotation: locked classes and slices."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import UNLABELLED
from sparseseg.data.slices import AXES
from sparseseg.language import say
from sparseseg.project.deltas import Delta, Labels

Slice = tuple[int, int]
"""The axis and the index of a slice."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Locked classes neither lose nor gain a voxel; on locked slices nothing changes.

    `over` are the values that a stroke may replace; None stands for all.
    """

    classes: frozenset[int] = frozenset()
    slices: frozenset[Slice] = frozenset()
    over: frozenset[int] | None = None

    def forbids(self, delta: Delta) -> NDArray[np.bool_]:
        """Return which voxels of a delta may not change."""
        differs = delta.old != delta.new
        found = np.isin(delta.old, list(self.classes))
        found |= np.isin(delta.new, list(self.classes))
        if self.over is not None:
            found |= ~np.isin(delta.old, list(self.over))
        for axis, index in self.slices:
            inside = index - delta.box.start[axis]
            if 0 <= inside < delta.box.shape[axis]:
                found[(slice(None),) * axis + (inside,)] = True
        forbidden: NDArray[np.bool_] = found & differs
        return forbidden

    def allowed(self, delta: Delta) -> Delta:
        """Return what remains of a delta."""
        return replace(delta, new=np.where(self.forbids(delta), delta.old, delta.new))

    def reason(self, delta: Delta) -> str:
        """Say in a few words what forbids a part of a delta; "" if nothing does."""
        if not self.forbids(delta).any():
            return ""
        for axis, index in sorted(self.slices):
            if Guard(slices=frozenset({(axis, index)})).forbids(delta).any():
                return say(
                    "slice {axis} {index} is locked", axis=AXES[axis], index=index
                )
        if Guard(self.classes).forbids(delta).any():
            return say("a class is locked")
        return say("the brush may only replace what is chosen below Paint over")


def revert(array: Labels, delta: Delta, forbidden: NDArray[np.bool_]) -> None:
    """Write the values of before where a change was forbidden."""
    np.copyto(array[delta.box.slices], delta.old, where=forbidden)


ONLY_UNLABELLED = frozenset({UNLABELLED})
"""What `over` is for a brush that replaces nothing that is labelled."""
