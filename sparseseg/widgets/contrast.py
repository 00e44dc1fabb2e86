"""The grey values that a volume is first shown with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SOFT_TISSUE = (-160.0, 240.0)
"""The window of a CT in which organs such as the liver can be told apart."""
_AIR = (-1100.0, -900.0)
_LEAST, _MOST = -3100.0, 100.0
_BONE = (300.0, 4000.0)
_AIR_SHARE, _TISSUE_SHARE = 0.01, 0.05
_OUTLIERS = 0.001
_SAMPLE = 64  # places along each axis
_PLANES = 5


def contrast_limits(array: NDArray[Any]) -> tuple[float, float]:
    """Return the darkest and brightest value to show of a z, y, x or c, z, y, x array.

    Of a CT it is the window of soft tissue, of others all but the outliers. Only a part
    of the voxels is looked at.
    """
    values = sample(array)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    if is_hounsfield(values):
        return SOFT_TISSUE
    low, high = np.quantile(values, (_OUTLIERS, 1 - _OUTLIERS)).tolist()
    if low == high:
        low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low, low + 1)


def is_hounsfield(values: NDArray[np.floating[Any]]) -> bool:
    """Tell whether values look like a CT: air, and more soft tissue than bone."""
    if values.min() < _LEAST or values.max() < _MOST:
        return False
    tissue = _share(values, SOFT_TISSUE)
    has_air = _share(values, _AIR) > _AIR_SHARE
    return has_air and tissue > _TISSUE_SHARE and tissue > 3 * _share(values, _BONE)


def sample(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return about 64 values along each axis; of z, which may be on disk, few planes."""
    rows, columns = (slice(None, None, max(1, n // _SAMPLE)) for n in array.shape[-2:])
    planes = np.unique(np.linspace(0, array.shape[-3] - 1, _PLANES).round().astype(int))
    chosen = (np.asarray(array[..., z, :, :])[..., rows, columns] for z in planes)
    return np.concatenate([plane.ravel() for plane in chosen]).astype(np.float32)


def _share(values: NDArray[np.floating[Any]], limits: tuple[float, float]) -> float:
    low, high = limits
    return float(((values >= low) & (values <= high)).mean())
