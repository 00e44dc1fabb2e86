"""Undoable edits of an annotation layer that are more than a stroke."""

from typing import TYPE_CHECKING

import numpy as np

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.data.proposals import of_prediction
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from sparseseg.widgets.slices import SliceView


def fill_rest(layer: "Labels", view: "SliceView", value: int = BACKGROUND) -> int:
    """Give the unlabelled voxels of one slice a value; return how many there were."""
    index = view.index_of(layer.data[view.selection] == UNLABELLED)
    return take(layer, index, np.full(index[0].size, value, np.uint8))


def accept(layer: "Labels", view: "SliceView", prediction: "NDArray[np.uint8]") -> int:
    """Label the unlabelled voxels of one slice as predicted; return how many.

    What is predicted as 0 is background there. Raises `UserError` when no class is
    predicted on the slice, which is how a slice looks before its preview.
    """
    plane = of_prediction(prediction[view.selection])
    if not plane.any():
        raise UserError("Nothing is predicted on slice {view} yet.", view=view)
    return take(layer, view.index_of(plane != UNLABELLED), plane[plane != UNLABELLED])


def take(
    layer: "Labels", index: "tuple[NDArray[np.intp], ...]", values: "NDArray[np.uint8]"
) -> int:
    """Label those of some voxels that are unlabelled; return how many."""
    is_free = layer.data[index] == UNLABELLED
    layer.data_setitem(tuple(places[is_free] for places in index), values[is_free])
    return int(np.count_nonzero(is_free))


def take_class(
    layer: "Labels", labels: "NDArray[np.uint8]", number: int, box: Box
) -> int:
    """Label what is unlabelled in a box and has a class in `labels`, not yet shown."""
    wanted = (labels[box.slices] == number) & (layer.data[box.slices] == UNLABELLED)
    index = _index_of(wanted, box)
    layer.data_setitem(index, number, refresh=False)
    return int(index[0].size)


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
