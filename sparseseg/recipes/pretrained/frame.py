"""How the axes of a volume become those of a network, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Triple
from sparseseg.data.volume import Volume
from sparseseg.recipes.pretrained.inference import Inference


@dataclass(frozen=True, slots=True)
class Frame:
    """A turn of the axes z, y, x: views only, nothing is copied or resampled."""

    axes: Triple
    """The volume's axis that is the network's z, y and x."""
    flips: tuple[bool, bool, bool] = (False, False, False)
    """Which of the network's axes run against the volume's."""

    @classmethod
    def of(cls, volume: Volume, inference: Inference) -> "Frame":
        """Return the frame of a model for a volume.

        A volume whose file tells no orientation is taken to lie as the model wants it.
        """
        turned, flips = (0, 1, 2), (False, False, False)
        if volume.affine is not None and inference.orientation != "stored":
            turned, flips = _anatomical(volume.affine)
            if inference.orientation == "slices-first":
                flips = (False, False, False)
        z, y, x = (turned[axis] for axis in inference.axes)
        a, b, c = (flips[axis] for axis in inference.axes)
        return cls((z, y, x), (a, b, c))

    def to_network(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn (c, z, y, x)."""
        turned = array.transpose(0, *(axis + 1 for axis in self.axes))
        return np.flip(turned, self._flipped) if any(self.flips) else turned

    def to_volume(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn (c, z, y, x) back."""
        turned = np.flip(array, self._flipped) if any(self.flips) else array
        back = np.argsort(self.axes)
        return turned.transpose(0, *(int(axis) + 1 for axis in back))

    def sides(self, values: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """Return values of the axes, such as sizes, in the network's order."""
        z, y, x = (values[axis] for axis in self.axes)
        return z, y, x

    def sides_in_space(self, volume: Volume) -> NDArray[np.float64]:
        """Return the directions of the network's axes in space, as columns of length 1."""
        if volume.affine is None:
            return np.eye(3)
        columns = volume.affine[:3, :3][:, [2 - axis for axis in self.axes]]
        lengths = np.linalg.norm(columns, axis=0)
        found: NDArray[np.float64] = columns / lengths * np.where(self.flips, -1, 1)
        return found

    def box(self, box: Box, shape: Triple) -> Box:
        """Return a box of a volume of this shape as the network sees it."""
        edges = []
        for axis, flip in zip(self.axes, self.flips, strict=True):
            low, high, size = box.start[axis], box.stop[axis], shape[axis]
            edges.append((size - high, size - low) if flip else (low, high))
        (z, z1), (y, y1), (x, x1) = edges
        return Box((z, y, x), (z1, y1, x1))

    def box_back(self, box: Box, shape: Triple) -> Box:
        """Return a box that the network sees, as one of a volume of this shape."""
        edges = [(0, 0)] * 3
        for place, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            low, high, size = box.start[place], box.stop[place], shape[axis]
            edges[axis] = (size - high, size - low) if flip else (low, high)
        (z, z1), (y, y1), (x, x1) = edges
        return Box((z, y, x), (z1, y1, x1))

    @property
    def _flipped(self) -> tuple[int, ...]:
        return tuple(axis + 1 for axis, flip in enumerate(self.flips) if flip)


def _anatomical(
    affine: NDArray[np.float64],
) -> tuple[Triple, tuple[bool, bool, bool]]:
    """Return the axes that run most to superior, anterior and right, and which run back.

    The affine maps voxels x, y, z to world axes right, anterior, superior.
    """
    matrix = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0).clip(1e-12)
    free = {0, 1, 2}
    axes: dict[int, int] = {}
    # The clearest direction chooses first, so that an oblique volume turns by right angles.
    order = np.dstack(np.unravel_index(np.argsort(-abs(matrix), axis=None), (3, 3)))[0]
    for world, voxel in order.tolist():
        if world not in axes and voxel in free:
            axes[world] = voxel
            free.remove(voxel)
    backwards = {world: bool(matrix[world, voxel] < 0) for world, voxel in axes.items()}
    x, y, z = (2 - axes[world] for world in range(3))
    return (z, y, x), (backwards[2], backwards[1], backwards[0])
