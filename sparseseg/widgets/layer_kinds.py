"""The layers that sparseseg makes, and how each of them looks."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from sparseseg.widgets.class_model import colormap_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparseseg.classes import ClassTable

ANNOTATION, PREDICTION, UNCERTAINTY = "annotation", "prediction", "uncertainty"
CLEANED = "prediction, cleaned up"
RESULT = "sparseseg result"
"""What marks a layer, in its metadata, as made by sparseseg and not to be segmented."""
_SMALLEST_BRUSH, _LARGEST_BRUSH = 3, 40


def annotation_layer(
    array: "NDArray[np.uint8]", table: "ClassTable", placement: dict[str, Any]
) -> Labels:
    """Return a layer to paint the first class on, slice by slice."""
    layer = Labels(array, name=ANNOTATION, colormap=colormap_of(table), **placement)
    layer.n_edit_dimensions = 2
    layer.brush_size = _brush_size(array.shape)
    layer.selected_label = table.numbers[0]
    return layer


def prediction_layer(
    array: "NDArray[np.uint8]",
    table: "ClassTable",
    placement: dict[str, Any],
    *,
    name: str = PREDICTION,
) -> Labels:
    """Return a layer in the annotation's colours, fainter than it."""
    colormap = colormap_of(table)
    return Labels(array, name=name, colormap=colormap, opacity=0.5, **placement)


def uncertainty_layer(array: "NDArray[np.uint8]", placement: dict[str, Any]) -> Image:
    """Return a hidden layer, dark where the prediction is sure."""
    return Image(
        array,
        name=UNCERTAINTY,
        colormap="magma",
        contrast_limits=(0, 255),
        blending="additive",
        visible=False,
        **placement | {"metadata": {**placement.get("metadata", {}), RESULT: True}},
    )


def _brush_size(shape: tuple[int, ...]) -> int:
    wanted = min(shape[1:]) // 20
    return max(_SMALLEST_BRUSH, min(_LARGEST_BRUSH, wanted))
