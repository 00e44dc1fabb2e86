"""A look at the voxels of an image for what would make learning fail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.language import say

_BOX, _BOXES, _PLANES = 48, 3, 16
"""What is looked at in arrays that are not in memory: boxes along each axis, planes."""


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
    """Look at an array z, y, x or c, z, y, x; slow for a large one in memory.

    Of one that stays on disk boxes are looked at; planes too, where these are all alike.
    """
    if isinstance(array, np.ndarray):
        return _found_in(_planes(array, array.shape[-3]))
    found = _found_in(_boxes(array))
    return found if found.low < found.high else _found_in(_planes(array, _PLANES))


def _found_in(parts: Iterable[NDArray[Any]]) -> GreyValues:
    low, high, missing, size = np.inf, -np.inf, 0, 0
    for part in parts:
        finite = part[np.isfinite(part)] if part.dtype.kind == "f" else part
        missing, size = missing + part.size - finite.size, size + part.size
        if finite.size:
            low, high = min(low, finite.min()), max(high, finite.max())
    return GreyValues(float(low), float(high), missing / size)


def _planes(array: Any, count: int) -> Iterator[NDArray[Any]]:
    depth = array.shape[-3]
    for z in _spread(depth - 1, min(depth, count)):
        yield np.asarray(array[..., z, :, :])


def _boxes(array: Any) -> Iterator[NDArray[Any]]:
    """Return small boxes from all over the volume, the corners among them."""
    starts = [_spread(max(0, side - _BOX), _BOXES) for side in array.shape[-3:]]
    for corner in product(*starts):
        yield np.asarray(
            array[(..., *(slice(start, start + _BOX) for start in corner))]
        )


def _spread(last: int, count: int) -> list[int]:
    found: list[int] = np.unique(
        np.linspace(0, last, count).round().astype(int)
    ).tolist()
    return found
