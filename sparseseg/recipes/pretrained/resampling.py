"""Resampling as nnU-Net does it: cubic for grey values, linear for answers."""

from collections.abc import Sequence
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


def resampled_shape(
    shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]
) -> Triple:
    """Return how many voxels of size `target` cover as much as `shape` of `spacing`."""
    z, y, x = (
        max(1, round(old / new * size))
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
    answers: NDArray[Any],
    source: Box,
    shapes: tuple[Triple, Triple],
    box: Box,
    coarse: int | None,
) -> NDArray[Any]:
    """Return (k, z, y, x) answers on a finer or coarser grid, linearly, for a box of it.

    `shapes` are those of the whole old and the whole new grid; `answers` are known in
    the box `source` of the old one. Across `coarse`, if given, the nearest is taken.
    """
    for axis in (a for a in range(3) if a != coarse):
        places = _places(box, shapes, axis) - source.start[axis]
        answers = _linear(answers, np.clip(places, 0, None), axis + 1)
    if coarse is None:
        return answers
    places = _places(box, shapes, coarse) - source.start[coarse]
    found = _whole(places).clip(0, answers.shape[coarse + 1] - 1)
    taken: NDArray[Any] = answers.take(found, coarse + 1)
    return taken


def reach(box: Box, shapes: tuple[Triple, Triple]) -> Box:
    """Return the box of the old grid that a box of the new one is resampled from."""
    edges = []
    for axis in range(3):
        places = _places(box, shapes, axis)
        low, high = int(np.floor(places[0])), int(np.floor(places[-1])) + 2
        edges.append((max(0, low), min(shapes[0][axis], high)))
    (z, z1), (y, y1), (x, x1) = edges
    return Box((z, y, x), (z1, y1, x1))


def _places(box: Box, shapes: tuple[Triple, Triple], axis: int) -> NDArray[np.float64]:
    """Return where the centres of a box's voxels lie on the old grid."""
    old, new = shapes[0][axis], shapes[1][axis]
    voxels = np.arange(box.start[axis], box.stop[axis])
    return np.clip(old / new * (voxels + 0.5) - 0.5, 0, old - 1)


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
