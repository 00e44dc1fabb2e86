"""Undoable edits of an annotation layer that are more than a stroke."""

from typing import TYPE_CHECKING

import numpy as np

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from sparseseg.widgets.slices import SliceView


def fill_rest(layer: "Labels", view: "SliceView", value: int = BACKGROUND) -> int:
    """Give the unlabelled voxels of one slice a value; return how many there were."""
    plane = layer.data[view.selection]
    return _fill(layer, view, np.full_like(plane, value))


def accept(layer: "Labels", view: "SliceView", prediction: "NDArray[np.uint8]") -> int:
    """Label the unlabelled voxels of one slice as predicted; return how many.

    What is predicted as 0 is background there. Raises `UserError` when no class is
    predicted on the slice, which is how a slice looks before its preview.
    """
    plane = prediction[view.selection]
    if not plane.any():
        raise UserError(f"Nothing is predicted on slice {view} yet.")
    return _fill(layer, view, np.where(plane == 0, BACKGROUND, plane))


def replace_labels(layer: "Labels", labels: "NDArray[np.uint8]", box: Box) -> int:
    """Overwrite a part of an annotation, not yet shown; return how many voxels changed."""
    within = np.nonzero(layer.data[box.slices] != labels[box.slices])
    index = tuple(found + first for found, first in zip(within, box.start, strict=True))
    layer.data_setitem(index, labels[index], refresh=False)
    return int(index[0].size)


def check_shape(layer: "Labels", shape: tuple[int, ...]) -> None:
    """Raise `UserError` for a Labels layer that has not the shape of an image."""
    if layer.multiscale or layer.data.shape != shape:
        own = "multiscale" if layer.multiscale else _times(layer.data.shape)
        raise UserError(f"{layer.name!r} is {own}, but the image is {_times(shape)}.")


def checked_labels(layer: "Labels", shape: tuple[int, ...]) -> "NDArray[np.uint8]":
    """Return a Labels layer's values as an annotation, or raise `UserError`."""
    check_shape(layer, shape)
    labels = np.asarray(layer.data)
    low, high = int(labels.min()), int(labels.max())
    if low < UNLABELLED or high > BACKGROUND:
        raise UserError(
            f"{layer.name!r} has values from {low} to {high}; an annotation has "
            f"0 unlabelled, 1 to 254 classes and 255 background."
        )
    return labels.astype(np.uint8)


def _fill(layer: "Labels", view: "SliceView", plane: "NDArray[np.uint8]") -> int:
    rows, columns = np.nonzero(layer.data[view.selection] == UNLABELLED)
    index = [rows, columns]
    index.insert(view.axis, np.full_like(rows, view.index))
    layer.data_setitem(tuple(index), plane[rows, columns])
    return int(rows.size)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
