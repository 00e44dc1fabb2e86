"""Undoable edits of an annotation layer that are more than a stroke."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

Labelled = Callable[[Box], "NDArray[np.uint8]"]
"""Returns the labels for the voxels of a box, 0 where there are none."""


def take(layer: "Labels", labelled: Labelled, box: Box) -> int:
    """Label what is unlabelled in a box, not yet shown; return how many voxels."""
    labels = labelled(box)
    free = (labels != UNLABELLED) & (layer.data[box.slices] == UNLABELLED)
    values = labels[free]
    layer.data_setitem(_index_of(free, box), values, refresh=False)
    return int(values.size)


def replace_labels(layer: "Labels", labels: "NDArray[np.uint8]", box: Box) -> int:
    """Overwrite a part of an annotation, not yet shown; return how many voxels changed."""
    index = _index_of(layer.data[box.slices] != labels[box.slices], box)
    layer.data_setitem(index, labels[index], refresh=False)
    return int(index[0].size)


def check_shape(layer: "Labels", shape: tuple[int, ...]) -> None:
    """Raise `UserError` for a Labels layer that has not the shape of an image."""
    if layer.multiscale or layer.data.shape != shape:
        own = say("multiscale") if layer.multiscale else _times(layer.data.shape)
        raise UserError(
            "{name!r} is {own}, but the image is {times}.",
            name=layer.name,
            own=own,
            times=_times(shape),
        )


def checked_labels(layer: "Labels", shape: tuple[int, ...]) -> "NDArray[np.uint8]":
    """Return a Labels layer's values as an annotation, or raise `UserError`."""
    check_shape(layer, shape)
    labels = np.asarray(layer.data)
    low, high = int(labels.min()), int(labels.max())
    if low < UNLABELLED or high > BACKGROUND:
        raise UserError(
            "{name!r} has values from {low} to {high}; an annotation has "
            "0 unlabelled, 1 to 254 classes and 255 background.",
            name=layer.name,
            low=low,
            high=high,
        )
    return labels.astype(np.uint8)


def _index_of(mask: "NDArray[np.bool_]", box: Box) -> "tuple[NDArray[np.intp], ...]":
    """Return the index into a volume of the voxels that a mask of a box has."""
    within = np.nonzero(mask)
    return tuple(found + first for found, first in zip(within, box.start, strict=True))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
