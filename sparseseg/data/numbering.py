"""Foreign numberings of annotations and truths, translated into ours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError


def to_annotation(
    values: NDArray[Any],
    *,
    unlabelled: int = UNLABELLED,
    background: int = BACKGROUND,
) -> NDArray[np.uint8]:
    """Return an annotation in our numbering; 1 to 254 keep their meaning.

    Raises `UserError` for a value that is neither one of these, nor `unlabelled`, nor
    `background`.
    """
    if unlabelled == background:
        raise UserError(
            f"unlabelled and background are both {background}: give two values"
        )
    whole = as_integers(values)
    is_unlabelled, is_background = whole == unlabelled, whole == background
    is_class = (whole > UNLABELLED) & (whole < BACKGROUND)
    strange = whole[~(is_class | is_unlabelled | is_background)]
    if strange.size:
        raise UserError(
            f"value {strange[0]} is neither a class (1 to 254), nor unlabelled "
            f"({unlabelled}), nor background ({background}): say what it means "
            "with --unlabelled or --background"
        )
    annotation = np.where(is_background, BACKGROUND, whole).astype(np.uint8)
    annotation[is_unlabelled] = UNLABELLED
    return annotation


def to_truth(values: NDArray[Any]) -> NDArray[Any]:
    """Return dense classes as integers, 0 for background; refuse negative ones."""
    whole = as_integers(values)
    if whole.min() < 0:
        raise UserError(f"classes are 0 and up, got {whole.min()}")
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
            f"labels are whole numbers, got {example}: is this the image itself?"
        )
    return values.astype(np.int64)
