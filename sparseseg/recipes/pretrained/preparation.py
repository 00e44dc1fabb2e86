"""From a volume to what the network reads: turned, cropped, normalised, resampled."""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.boxes import Box, Triple
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained import large
from sparseseg.recipes.pretrained.frame import Frame
from sparseseg.recipes.pretrained.inference import Inference, Normaliser
from sparseseg.recipes.pretrained.normalising import Statistics, normalised
from sparseseg.recipes.pretrained.resampling import (
    Grids,
    coarse_axis,
    resample_answers,
    resample_grey,
    resampled_shape,
)
from sparseseg.recipes.pretrained.steps import applied
from sparseseg.work import result_of


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A volume as the network reads it, and how to get back."""

    image: NDArray[np.float32]
    """(c, z, y, x) in the network's axes and voxel size."""
    frame: Frame
    crop: Box
    """The part of the turned volume that `image` shows."""
    coarse: int | None
    """The axis across which slices are resampled apart."""
    grids: Grids
    """How the crop's voxels lie on those of `image`."""


# Previews, held-out slices and patches ask again and again for one volume.
_PREPARED: Kept[Prepared] = Kept()


def prepare(volume: Volume, plan: Plan) -> Prepared:
    """Prepare a whole volume for the network of a plan, or remember how it was."""
    return result_of(preparing(volume, plan))


def preparing(volume: Volume, plan: Plan) -> Generator[tuple[int, int], None, Prepared]:
    """Do the same, and yield how many parts of how many are done, if it takes long."""
    ready = _PREPARED.get(volume, _key(plan))
    if ready is None:
        ready = yield from _prepared(volume, plan)
        _PREPARED.keep(volume, _key(plan), ready)
    return ready


def is_prepared(volume: Volume, plan: Plan) -> bool:
    """Tell whether a volume is remembered as this plan wants it."""
    return _PREPARED.get(volume, _key(plan)) is not None


def _key(plan: Plan) -> Hashable:
    return inference_of(plan), plan.spacing, plan.unit


@lru_cache(maxsize=4)
def inference_of(plan: Plan) -> Inference:
    """Return how the model of a plan is applied."""
    return Inference.from_json(plan.inference)


def _prepared(volume: Volume, plan: Plan) -> Generator[tuple[int, int], None, Prepared]:
    rule = inference_of(plan)
    frame = Frame.of(volume, rule)
    array: Any = volume.array
    if isinstance(array, OnDisk) and rule.by_blocks:
        return (yield from _prepared_on_disk(volume, plan, frame))
    turned = frame.to_network(np.asarray(volume.array))
    z, y, x = turned.shape[1:]
    crop = content(turned) if rule.crop else Box.whole((z, y, x))
    image = _finite(turned[(slice(None), *crop.slices)].astype(np.float32))
    target = _target(volume, plan, frame, crop)
    mask = _mask(image) if any(n.masked for n in rule.normalisers) else None
    if rule.resample_first:
        image = _normalised(_resampled(image, target, rule), rule, mask)
    else:
        image = _resampled(_normalised(image, rule, mask), target, rule)
    return Prepared(image, frame, crop, target.coarse, target.back)


def _prepared_on_disk(
    volume: Volume, plan: Plan, frame: Frame
) -> Generator[tuple[int, int], None, Prepared]:
    """Do the same block by block; the image lies in a temporary file."""
    rule = inference_of(plan)
    z, y, x = frame.sides(volume.shape)
    crop = large.crop_of(volume, frame) if rule.crop else Box.whole((z, y, x))
    target = _target(volume, plan, frame, crop)
    shape, coarse = target.shape, target.coarse
    grid = large.turned(volume, frame, crop)
    if rule.resample_first:
        grid = large.resampled(grid, shape, coarse, rule.resampling)
        grid = large.normalising(grid, rule)
    else:
        grid = large.normalising(grid, rule)
        grid = large.resampled(grid, shape, coarse, rule.resampling)
    image = yield from large.written(grid)
    return Prepared(image, frame, crop, coarse, target.back)


@dataclass(frozen=True, slots=True)
class _Target:
    """The grid that a crop is resampled to."""

    shape: Triple
    coarse: int | None
    there: Grids
    """From the crop to this grid."""
    back: Grids


def _target(volume: Volume, plan: Plan, frame: Frame, crop: Box) -> _Target:
    rule = inference_of(plan)
    spacing = frame.sides(volume.spacing_in(plan.unit))
    target = (spacing[0], *plan.spacing[1:]) if rule.flat else plan.spacing
    if rule.resampling == "none":
        target = spacing
    shape = resampled_shape(crop.shape, spacing, target, rule.resampling)
    if rule.resampling == "monai":
        sides = frame.sides_in_space(volume) * spacing
        there = Grids.as_monai(crop.shape, shape, sides, target)
        return _Target(shape, None, there, there.reversed)
    there, back = Grids.over(crop.shape, shape), Grids.over(shape, crop.shape)
    return _Target(shape, coarse_axis(spacing, target), there, back)


def _resampled(
    image: NDArray[np.float32], target: _Target, rule: Inference
) -> NDArray[np.float32]:
    if target.there.are_one:
        return image
    if rule.resampling == "monai":
        _, z, y, x = image.shape
        whole, box = Box.whole((z, y, x)), Box.whole(target.shape)
        found = resample_answers(image, whole, target.there, box, None)
        return found.astype(np.float32)
    return resample_grey(image, target.shape, target.coarse, rule.resampling)


def content(image: NDArray[np.generic]) -> Box:
    """Return the box that holds all voxels (c, z, y, x) which are not 0."""
    seen = (image != 0).any(0)
    edges = []
    for axis in range(3):
        line = np.flatnonzero(seen.any(tuple(a for a in range(3) if a != axis)))
        edges.append((int(line[0]), int(line[-1]) + 1) if line.size else None)
    if None in edges:
        z, y, x = seen.shape
        return Box.whole((z, y, x))
    (z, z1), (y, y1), (x, x1) = (edge for edge in edges if edge)
    return Box((z, y, x), (z1, y1, x1))


def _mask(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes((image != 0).any(0))
    return filled


def _finite(image: NDArray[np.float32]) -> NDArray[np.float32]:
    good = np.isfinite(image)
    if good.all():
        return image
    least, most = (image[good].min(), image[good].max()) if good.any() else (0.0, 0.0)
    return np.nan_to_num(image, copy=False, nan=least, posinf=most, neginf=least)


def _normalised(
    image: NDArray[np.float32], rule: Inference, mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    channels = zip(image, rule.normalisers, strict=True)
    stacked = np.stack(
        [_normalise(grey, n, mask if n.masked else None) for grey, n in channels]
    ).astype(np.float32, copy=False)
    return applied(rule.steps, stacked, flat=rule.flat)


def _normalise(
    grey: NDArray[np.float32], how: Normaliser, mask: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    result = normalised(grey, how, Statistics.of(grey, mask))
    return result if mask is None else np.where(mask, result, grey)
