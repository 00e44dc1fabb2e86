"""Foreign numberings of annotations and truths, translated into ours."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import Note, UserError


def to_annotation(
    values: NDArray[Any],
    *,
    unlabelled: int = UNLABELLED,
    background: int = BACKGROUND,
) -> NDArray[np.uint8]:
    """Return an annotation in our numbering; 1 to 254 keep their meaning.

    Where 255 is not the background and the only class, as in a mask, it becomes class 1,
    and a `Note` says so. Raises `UserError` for a value that is neither a class, nor
    `unlabelled`, nor `background`, and for what looks like an image.
    """
    if unlabelled == background:
        raise UserError(
            "unlabelled and background are both {background}: give two values",
            background=background,
        )
    whole = as_integers(values)
    if looks_like_image(whole):
        raise UserError(
            "looks like an image, with values from {min} to {max} that "
            "differ from voxel to voxel: give the image first, then its annotation",
            min=whole.min(),
            max=whole.max(),
        )
    whole = _mask_as_class(whole, {unlabelled, background})
    is_unlabelled, is_background = whole == unlabelled, whole == background
    is_class = (whole > UNLABELLED) & (whole < BACKGROUND)
    strange = whole[~(is_class | is_unlabelled | is_background)]
    if strange.size:
        raise UserError(
            "value {strange} is neither a class (1 to 254), nor unlabelled "
            "({unlabelled}), nor background ({background}): say what it means "
            "with --unlabelled or --background",
            strange=strange[0],
            unlabelled=unlabelled,
            background=background,
        )
    annotation = np.where(is_background, BACKGROUND, whole).astype(np.uint8)
    annotation[is_unlabelled] = UNLABELLED
    return annotation


def looks_like_image(values: NDArray[Any]) -> bool:
    """Tell whether integers are grey values: many, and seldom the same as beside them."""
    volume = values[0] if values.ndim == 4 else values
    planes = volume[:: max(1, len(volume) // _LOOKED_AT)]
    if values.size < _FEW_VOXELS or np.unique(planes).size < _MANY_VALUES:
        return False
    return bool((planes[..., 1:] == planes[..., :-1]).mean() < _NEIGHBOURS_ALIKE)


_LOOKED_AT = 16  # planes
_FEW_VOXELS = 1000
_MANY_VALUES = 24
_NEIGHBOURS_ALIKE = 0.5


def _mask_as_class(values: NDArray[Any], others: set[int]) -> NDArray[Any]:
    """Return a mask whose one class is 255 with class 1 in its place."""
    found = set(np.unique(values).tolist()) - others
    if found != {BACKGROUND}:
        return values
    warnings.warn(Note("255 is the only class and becomes class 1"), stacklevel=4)
    return np.where(values == BACKGROUND, 1, values)


def to_truth(values: NDArray[Any]) -> NDArray[Any]:
    """Return dense classes or objects as integers, 0 for background.

    Raises `UserError` for negative ones, and for what looks like an image.
    """
    whole = as_integers(values)
    if looks_like_image(whole):
        raise UserError(
            "looks like an image, with values from {min} to {max} that differ from voxel "
            "to voxel: give labels",
            min=whole.min(),
            max=whole.max(),
        )
    if whole.min() < 0:
        raise UserError("classes are 0 and up, got {min}", min=whole.min())
    return whole


def as_integers(values: NDArray[Any]) -> NDArray[Any]:
    """Return the same values in an integer type; refuse fractions, NaN and infinity."""
    if values.dtype.kind in "ui":
        return values
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    broken = values[values != np.trunc(values)]
    if broken.size or not np.isfinite(values).all():
        example = broken[0] if broken.size else "infinity"
        raise UserError(
            "labels are whole numbers, got {example}: is this the image itself?",
            example=example,
        )
    return values.astype(np.int64)
