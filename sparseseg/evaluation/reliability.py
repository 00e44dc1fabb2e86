"""Whether a prediction is as often right as it is sure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_LEAST = 0.002  # of all voxels; fewer say nothing


class SureVoxels(NamedTuple):
    """Voxels of which a prediction is about equally sure."""

    sure: float
    """The mean probability of the class that was predicted."""
    right: float
    """The share of them that is right."""
    share: float
    """Of all voxels."""


def reliability(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> tuple[SureVoxels, ...]:
    """Compare how sure a prediction (k, n) is with how often it is right, in bins.

    `weight` (n) says how many voxels each stands for. Bins with few voxels are left out.
    """
    sure = probabilities.max(0)
    right = probabilities.argmax(0) == truth
    place = np.digitize(sure, _EDGES)
    sums = [
        np.bincount(place, weight * values, minlength=len(_EDGES) + 1)
        for values in (np.ones(len(weight)), sure, right)
    ]
    total = sums[0].sum()
    return tuple(
        SureVoxels(float(s / count), float(r / count), float(count / total))
        for count, s, r in zip(*sums, strict=True)
        if count > _LEAST * total
    )


def overall(bins: Sequence[SureVoxels]) -> SureVoxels | None:
    """Return all bins as one; None where there is none."""
    total = sum(one.share for one in bins)
    if not total:
        return None
    sure, right = (
        sum(one.share * value for one, value in zip(bins, values, strict=True)) / total
        for values in ([one.sure for one in bins], [one.right for one in bins])
    )
    return SureVoxels(sure, right, total)
