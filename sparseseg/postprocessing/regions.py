"""Parts of label arrays: where classes are, which voxels of them hang together.

Voxels hang together, and touch, if they share a face, an edge or a corner (26 neighbours).
A hole is what no path of shared faces (6 neighbours) leads out of. Both go together: a
wall that is closed by corners lets nothing through. Arrays are z, y, x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Slices = tuple[slice, ...]
Region = tuple[int, ...]
"""Class numbers that are taken as one."""

# A box that every volume has, for regions that are nowhere.
_CORNER: Slices = (slice(0, 1),) * 3


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The parts of a region that do not touch each other."""

    numbers: NDArray[np.unsignedinteger[Any]]
    """1, 2, ... by the first voxel of each; 0 outside the region."""
    sizes: NDArray[np.integer[Any]]
    """In voxels, of 1, 2, ..."""

    def chosen(self, which: Mask) -> Mask:
        """Return the voxels of those components for which `which` is true."""
        voxels: Mask = np.concatenate([[False], which])[self.numbers]
        return voxels


def box_of(labels: Labels, region: Sequence[int], *, margin: Sequence[int]) -> Slices:
    """Return the smallest box that holds a region, and a margin within the volume."""
    boxes = ndimage.find_objects(labels, max_label=max(region))
    found = [box for number in region if (box := boxes[number - 1]) is not None]
    if not found:
        return _CORNER
    return tuple(
        slice(max(0, min(s.start for s in sides) - m), max(s.stop for s in sides) + m)
        for sides, m in zip(zip(*found, strict=True), margin, strict=True)
    )


def mask_of(labels: Labels, region: Sequence[int]) -> Mask:
    """Return which voxels belong to a region."""
    mask: Mask = np.logical_or.reduce([labels == number for number in region])
    return mask


def components(mask: Mask) -> Components:
    """Tell the parts of a mask apart."""
    numbers = _connected(mask, 26)
    counts = cc3d.statistics(numbers, no_slice_conversion=True)["voxel_counts"]
    return Components(numbers, counts[1:])


def _connected(
    mask: Mask, neighbours: Literal[6, 26]
) -> NDArray[np.unsignedinteger[Any]]:
    # As uint8, because cc3d 4.1 takes too few labels for single voxels in a thin array
    # of bools, and fails. In C order, for the first in z, y, x to be number 1.
    array = np.ascontiguousarray(mask).view(np.uint8)
    return cc3d.connected_components(array, connectivity=neighbours)


def touching(mask: Mask) -> Mask:
    """Return the mask with all voxels that touch it."""
    grown: NDArray[np.uint8] = ndimage.maximum_filter(mask.view(np.uint8), size=3)
    return grown.view(np.bool_)


def holes(mask: Mask) -> Mask:
    """Return the voxels that a mask encloses; the end of the array encloses nothing."""
    around = np.pad(~mask, 1, constant_values=True)
    numbers = _connected(around, 6)
    inner: Mask = (numbers != numbers[0, 0, 0])[1:-1, 1:-1, 1:-1] & ~mask
    return inner
