"""Triangles round a mask, also a smoothed one, that hold the volume of its voxels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes

from sparseseg.data.units import Spacing

_MARGIN = 2
"""Voxels of nothing round a mask, so that its surface is closed."""


def triangles(
    mask: NDArray[np.bool_], smooth: float, spacing: Spacing
) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
    """Return corners z, y, x in voxels of the mask, and three corners for each triangle.

    `smooth` is the deviation of a Gaussian in the unit of the spacing. The surface lies
    where as many voxels are inside as the mask has: smoothing shrinks no body.
    """
    sigma = [smooth / side for side in spacing]
    margin = [_MARGIN + int(3 * s) for s in sigma]
    soft = np.pad(mask, [(m, m) for m in margin]).astype(np.float32)
    level = 0.5
    if smooth:
        soft = ndimage.gaussian_filter(soft, sigma)
        level = _level(soft, int(mask.sum()))
    corners, faces, *_ = marching_cubes(soft, level)
    return np.asarray(corners - margin, float), faces


def area(corners: NDArray[np.float64], faces: NDArray[np.integer[Any]]) -> float:
    """Return the area of triangles."""
    a, b, c = (corners[faces[:, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _level(soft: NDArray[np.float32], voxels: int) -> float:
    """Return the value above which so many voxels lie."""
    values = np.sort(soft, axis=None)
    at = len(values) - voxels
    return float(np.clip((values[at - 1] + values[at]) / 2, 1e-6, values[-1] * 0.999))
