"""Resampling as nnU-Net does it: cubic for grey values, linear for answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

from sparseseg.boxes import Box, Triple
from sparseseg.recipes.pretrained.inference import Resampling

# Beyond this ratio of the largest to the smallest voxel side, slices are resampled one
# by one, and across them the nearest is taken.
_ANISOTROPIC = 3.0


@dataclass(frozen=True, slots=True)
class Grids:
    """How a grid lies on another one: voxel v at ratio * v + shift, for each axis."""

    old: Triple
    """The shape of the grid that values are known on."""
    new: Triple
    ratios: tuple[float, float, float]
    shifts: tuple[float, float, float]

    @classmethod
    def over(cls, old: Triple, new: Triple) -> "Grids":
        """Return two grids that cover the same."""
        z, y, x = (a / b for a, b in zip(old, new, strict=True))
        c, b, a = (0.5 * ratio - 0.5 for ratio in (z, y, x))
        return cls(old, new, (z, y, x), (c, b, a))

    @classmethod
    def as_monai(
        cls,
        old: Triple,
        new: Triple,
        sides: NDArray[np.float64],
        target: Sequence[float],
    ) -> "Grids":
        """Return two grids as MONAI lays them: on the first voxel, or on the centre.

        `sides` are the sides of a voxel of the old grid in space, in columns; `target`
        is the voxel size of the new one.
        """
        lengths = np.linalg.norm(sides, axis=0)
        ratios = [b / float(a) for a, b in zip(lengths, target, strict=True)]
        z, y, x = ratios
        shifts = (0.0, 0.0, 0.0)
        if not _share_a_corner(old, sides, target):
            c, b, a = (
                (n - m * ratio) / 2
                for n, m, ratio in zip(old, new, ratios, strict=True)
            )
            shifts = (c, b, a)
        return cls(old, new, (z, y, x), shifts)

    @property
    def reversed(self) -> "Grids":
        """How the old grid lies on the new one."""
        z, y, x = (1 / ratio for ratio in self.ratios)
        c, b, a = (-s / r for s, r in zip(self.shifts, self.ratios, strict=True))
        return Grids(self.new, self.old, (z, y, x), (c, b, a))

    @property
    def are_one(self) -> bool:
        """Whether there is nothing to resample."""
        return self.old == self.new and self.ratios == (1.0, 1.0, 1.0)

    def places(self, box: Box, axis: int) -> NDArray[np.float64]:
        """Return where the centres of the voxels of a box of the new grid lie."""
        voxels = np.arange(box.start[axis], box.stop[axis])
        places = self.ratios[axis] * voxels + self.shifts[axis]
        return np.clip(places, 0, self.old[axis] - 1)


def _share_a_corner(
    shape: Triple, sides: NDArray[np.float64], target: Sequence[float]
) -> bool:
    """Tell whether a corner of a volume is its least voxel on a grid without shear.

    Rounding in the header of an oblique volume is shear too: then MONAI takes the centre.
    """
    shear = np.linalg.cholesky(sides.T @ sides).T
    straight = sides @ np.linalg.inv(shear) * np.array(target)
    ends = np.array(np.meshgrid(*((0.0, n - 1.0) for n in shape), indexing="ij"))
    corners = np.linalg.solve(straight, sides) @ ends.reshape(3, -1)
    return any(
        np.allclose((corners - corner[:, None]).min(1), 0) for corner in corners.T
    )


def resampled_shape(
    shape: Sequence[int],
    spacing: Sequence[float],
    target: Sequence[float],
    rule: Resampling,
) -> Triple:
    """Return how many voxels of size `target` cover as much as `shape` of `spacing`.

    From edge to edge, or as MONAI from centre to centre of the outermost voxels.
    """
    inner = 1 if rule == "monai" else 0
    z, y, x = (
        max(1, round(old / new * (size - inner) + inner))
        for size, old, new in zip(shape, spacing, target, strict=True)
    )
    return z, y, x


def coarse_axis(spacing: Sequence[float], target: Sequence[float]) -> int | None:
    """Return the axis across which slices are resampled apart, if there is one."""
    for sides in (spacing, target):
        if max(sides) / min(sides) > _ANISOTROPIC:
            coarse = [axis for axis in range(3) if sides[axis] == max(sides)]
            return coarse[0] if len(coarse) == 1 else None
    return None


def resample_grey(
    image: NDArray[np.float32], shape: Triple, axis: int | None, rule: Resampling
) -> NDArray[np.float32]:
    """Return (c, z, y, x) grey values in another shape.

    Cubic splines; where `axis` is given, within each slice across it, and then the
    nearest slice. `rule` "linear" interpolates linearly instead. The first version of
    nnU-Net rounds to single precision between the two.
    """
    if image.shape[1:] == shape:
        return image
    result = np.empty((len(image), *shape), np.float32)
    for channel, out in zip(image, result, strict=True):
        if rule == "linear":
            factors = [new / old for new, old in zip(shape, channel.shape, strict=True)]
            out[:] = ndimage.zoom(channel, factors, order=1)
        elif axis is None:
            out[:] = _cubic(channel, shape)
        else:
            between = np.float32 if rule == "nnunet-v1" else np.float64
            out[:] = _slice_by_slice(channel, shape, axis, between)
    return result


def resample_answers(
    answers: NDArray[Any], source: Box, grids: Grids, box: Box, coarse: int | None
) -> NDArray[Any]:
    """Return (k, z, y, x) answers on a finer or coarser grid, linearly, for a box of it.

    `answers` are known in the box `source` of the old grid. Across `coarse`, if given,
    the nearest is taken.
    """
    for axis in (a for a in range(3) if a != coarse):
        places = grids.places(box, axis) - source.start[axis]
        answers = _linear(answers, np.clip(places, 0, None), axis + 1)
    if coarse is None:
        return answers
    places = grids.places(box, coarse) - source.start[coarse]
    found = _whole(places).clip(0, answers.shape[coarse + 1] - 1)
    taken: NDArray[Any] = answers.take(found, coarse + 1)
    return taken


def reach(box: Box, grids: Grids) -> Box:
    """Return the box of the old grid that a box of the new one is resampled from."""
    edges = []
    for axis in range(3):
        places = grids.places(box, axis)
        low, high = int(np.floor(places[0])), int(np.floor(places[-1])) + 2
        edges.append((max(0, low), min(grids.old[axis], high)))
    (z, z1), (y, y1), (x, x1) = edges
    return Box((z, y, x), (z1, y1, x1))


def _whole(places: NDArray[np.floating]) -> NDArray[np.intp]:
    found: NDArray[np.intp] = np.floor(places + 0.5).astype(np.intp)
    return found


def _linear(values: NDArray[Any], places: NDArray[np.float64], axis: int) -> Any:
    low = np.minimum(places.astype(np.intp), values.shape[axis] - 1)
    if np.array_equal(places, low):
        return values.take(low, axis)
    high = np.minimum(low + 1, values.shape[axis] - 1)
    shape = [1] * values.ndim
    shape[axis] = -1
    share = (places - low).reshape(shape)
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


def _slice_by_slice(
    channel: NDArray[np.float32], shape: Triple, axis: int, between: type
) -> NDArray[Any]:
    flat = [size for a, size in enumerate(shape) if a != axis]
    slices: list[NDArray[Any]] = [
        _cubic(plane, flat).astype(between) for plane in np.moveaxis(channel, axis, 0)
    ]
    nearest = nearest_slices(np.arange(shape[axis]), len(slices), shape[axis])
    return np.stack([slices[index] for index in nearest], axis)


def nearest_slices(voxels: NDArray[np.intp], old: int, new: int) -> NDArray[np.intp]:
    """Return which of `old` slices is nearest to each voxel of a line of `new`."""
    return _whole(old / new * (voxels + 0.5) - 0.5).clip(0, old - 1)


def _cubic(values: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = resize(
        values.astype(np.float64), shape, order=3, mode="edge", anti_aliasing=False
    )
    return found
