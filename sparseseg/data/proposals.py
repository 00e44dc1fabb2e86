"""Labels that are proposed, to be accepted or corrected by a person.

A proposal has the numbers of an annotation: 0 where nothing is proposed, 1 to 254 for
classes, 255 for background. Axes are z, y, x.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.data.slices import AXES
from sparseseg.data.source import Source
from sparseseg.errors import UserError

Labels = NDArray[np.uint8]
_SLAB = 16  # planes
_LEAST = 1e-6
"""For seeds of one grey value, whose standard deviation is 0."""


def of_prediction(prediction: Labels) -> Labels:
    """Propose a prediction, in which 0 is background; where it is empty, nothing."""
    if not prediction.any():
        return np.zeros_like(prediction)
    return np.where(prediction == 0, BACKGROUND, prediction).astype(np.uint8)


def between_slices(annotation: Labels, axis: int) -> Labels:
    """Propose the planes between the complete slices across an axis.

    The outline of each class goes over from one slice to the next one: signed distances
    to it are interpolated (Raya and Udupa 1990, shape-based interpolation). Raises
    `UserError` with fewer than two complete slices.
    """
    planes = np.moveaxis(annotation, axis, 0)
    complete = np.flatnonzero((planes != UNLABELLED).all(axis=(1, 2)))
    if complete.size < 2:
        raise UserError(
            "two complete slices across {axis} are needed (there now: {size}): "
            "fill the rest of another slice with background",
            size=complete.size,
            axis=AXES[axis],
        )
    proposal = np.zeros_like(annotation)
    target = np.moveaxis(proposal, axis, 0)
    for first, last in pairwise(complete):
        _morph(target, planes, int(first), int(last))
    return proposal


def threshold(image: Source, low: float, high: float, number: int) -> Labels:
    """Propose a class where the first channel of an image is from `low` to `high`.

    The image (c, z, y, x) may stay on disk: a few planes are read at a time.
    """
    proposal = np.zeros(image.shape[1:], np.uint8)
    for z in range(0, len(proposal), _SLAB):
        grey = image[0:1, z : z + _SLAB, :, :][0]
        proposal[z : z + _SLAB][(grey >= low) & (grey <= high)] = number
    return proposal


def grown(
    image: NDArray[np.generic], annotation: Labels, number: int, spread: float
) -> Labels:
    """Propose what grows from the voxels of a class, over grey values (z, y, x) like theirs.

    Taken in is what touches them and differs from their mean by at most `spread`
    standard deviations. Raises `UserError` where the class is not painted.
    """
    seeds = annotation == number
    if not seeds.any():
        raise UserError(
            "class {number} is not painted: paint a few voxels to grow from",
            number=number,
        )
    values = np.asarray(image[seeds], np.float64)
    deviation = float(values.std()) or _LEAST
    reach = spread * deviation
    mean = float(values.mean())
    alike = (image >= mean - reach) & (image <= mean + reach) | seeds  # type: ignore[operator]
    parts, _ = label(alike)
    touched = np.unique(parts[seeds])
    return np.where(np.isin(parts, touched[touched > 0]), number, 0).astype(np.uint8)


def region_at(plane: Labels, place: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the region of one value around a place of a plane; nothing where it is 0."""
    value = plane[place]
    if value == UNLABELLED:
        return np.zeros(plane.shape, bool)
    parts, _ = label(plane == value)
    region: NDArray[np.bool_] = parts == parts[place]
    return region


def _morph(target: Labels, planes: Labels, first: int, last: int) -> None:
    if last - first < 2:
        return
    values = np.union1d(planes[first], planes[last])
    before = np.stack([_inside(planes[first] == value) for value in values])
    after = np.stack([_inside(planes[last] == value) for value in values])
    for index in range(first + 1, last):
        share = (index - first) / (last - first)
        best = ((1 - share) * before + share * after).argmax(axis=0)
        target[index] = values[best]


def _inside(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how far inside of a mask each pixel is; outside it is negative."""
    if not mask.any():
        return np.full(mask.shape, -float(sum(mask.shape)), np.float32)
    if mask.all():
        return np.full(mask.shape, float(sum(mask.shape)), np.float32)
    inner, outer = distance_transform_edt(mask), distance_transform_edt(~mask)
    return np.asarray(inner - outer, np.float32)
