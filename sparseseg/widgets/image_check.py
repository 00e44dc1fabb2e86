"""A look at all voxels of an image for what would make learning fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparseseg.language import say

_MOST_PLANES = 64
"""Looked at in arrays that are not in memory."""


@dataclass(frozen=True, slots=True)
class GreyValues:
    """The extremes of the voxels looked at, and the share that are no numbers."""

    low: float
    high: float
    missing: float

    @property
    def complaints(self) -> Iterator[str]:
        """What a user should know before painting, each in a sentence."""
        if self.low > self.high:
            yield say(
                "No voxel holds a number (all are NaN): open the image from its source."
            )
        elif self.low == self.high:
            yield say(
                "All voxels are {low:g}: there is nothing to learn from.", low=self.low
            )
        if self.missing > 0 and self.low <= self.high:
            yield say(
                "{share:.2%} of the voxels are not numbers (NaN): "
                "they count as the darkest grey.",
                share=max(self.missing, 1e-4),
            )


def grey_values(array: Any) -> GreyValues:
    """Look at an array z, y, x or c, z, y, x; slow for a large one."""
    depth = array.shape[-3]
    count = depth if isinstance(array, np.ndarray) else min(depth, _MOST_PLANES)
    low, high, missing = np.inf, -np.inf, 0
    indices = np.unique(np.linspace(0, depth - 1, count).round().astype(int))
    for z in indices:
        plane = np.asarray(array[..., z, :, :])
        finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        missing += plane.size - finite.size
        if finite.size:
            low, high = min(low, finite.min()), max(high, finite.max())
    return GreyValues(float(low), float(high), missing / (plane.size * len(indices)))
