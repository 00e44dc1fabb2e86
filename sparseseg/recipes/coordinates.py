"""Where a voxel lies in what a volume shows: coordinates within its foreground.

In volumes of one kind, such as brains that lie alike, they tell more than grey values
about what a voxel is, and they need no network that sees far.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.intensity import own_scale
from sparseseg.data.on_disk import once

Extent = tuple[tuple[float, float], ...]
"""Where the foreground begins and ends along z, y, x, in voxels."""

_BRIGHT = 0.5  # on the volume's own scale; what is brighter is foreground
_OUTSIDE = 0.02  # of the foreground lies before its beginning, and beyond its end
_PLANES = 48
_FARTHEST = 1.5


def extent_of(array: Any) -> Extent:
    """Return the extent of what the first channel of a volume (c, z, y, x) shows.

    A few planes across z are looked at, so that this is quick also on disk.
    """
    return once(array, "extent", lambda: _extent_of(array))


def _extent_of(array: Any) -> Extent:
    scale = own_scale(array, 0)
    depth = array.shape[1]
    planes = np.unique(np.linspace(0, depth - 1, _PLANES).round().astype(int))
    profiles = [np.zeros(size) for size in array.shape[1:]]
    for z in planes:
        plane = np.asarray(array[0:1, z : z + 1, :, :])[0, 0]
        bright = scale(plane) > _BRIGHT
        profiles[0][z] = bright.sum()
        profiles[1] += bright.sum(1)
        profiles[2] += bright.sum(0)
    return tuple(map(_ends, profiles))


def coordinates(extent: Extent, box: Box, device: torch.device) -> Tensor:
    """Return three channels for a box: -1 where the foreground begins, 1 at its end."""
    found = []
    for axis, (low, high) in enumerate(extent):
        at = torch.arange(box.start[axis], box.stop[axis], device=device)
        line = (2 * (at - low) / (high - low) - 1).clamp(-_FARTHEST, _FARTHEST)
        shape = [-1 if other == axis else 1 for other in range(3)]
        found.append(line.reshape(shape).expand(box.shape))
    return torch.stack(found)


def _ends(profile: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """Return where the foreground of a profile begins and ends."""
    total = profile.sum()
    if not total:
        return 0.0, float(len(profile))
    share = profile.cumsum() / total
    ends = np.searchsorted(share, (_OUTSIDE, 1 - _OUTSIDE))
    return float(ends[0]), float(ends[1] + 1)
