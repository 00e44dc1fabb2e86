"""The layers that sparseseg makes, and how each of them looks."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from sparseseg.widgets.class_model import colormap_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparseseg.classes import ClassTable

ANNOTATION, PREDICTION, UNCERTAINTY = "annotation", "prediction", "uncertainty"
"""What a layer is; also what marks it in its metadata, with the name of its image."""
CLEANED = "prediction, cleaned up"
OBJECTS = "objects"
PROPOSAL = "proposal"
CHANGES, DOUBT = "changes", "doubt"
AGAIN = "repeat"
CLASSES = "sparseseg classes"
"""Where a Labels layer's metadata holds its class table, as `ClassTable.to_json`."""
RESULT = "sparseseg result"
"""What marks a layer, in its metadata, as made by sparseseg and not to be segmented."""
_SMALLEST_BRUSH, _LARGEST_BRUSH = 3, 40


def name_of(image: str, kind: str) -> str:
    """Return the name of a layer that belongs to an image."""
    return f"{image} {kind}"


def annotation_layer(
    array: "NDArray[np.uint8]",
    table: "ClassTable",
    placement: dict[str, Any],
    *,
    image: str,
) -> Labels:
    """Return a layer to paint the first class on, slice by slice."""
    marked = _marked(placement, {ANNOTATION: image, CLASSES: table.to_json()})
    return _to_paint_on(array, table, marked, name=name_of(image, ANNOTATION))


def again_layer(
    array: "NDArray[np.uint8]",
    table: "ClassTable",
    placement: dict[str, Any],
    *,
    image: str,
) -> Labels:
    """Return a layer to paint on that is no annotation: nothing learns from it."""
    marked = _marked(placement, {RESULT: True, CLASSES: table.to_json()})
    return _to_paint_on(array, table, marked, name=name_of(image, AGAIN))


def _to_paint_on(
    array: "NDArray[np.uint8]",
    table: "ClassTable",
    marked: dict[str, Any],
    *,
    name: str,
) -> Labels:
    """Return a layer with the first class chosen, and the brush of a slice."""
    layer = Labels(array, name=name, colormap=colormap_of(table), **marked)
    layer.n_edit_dimensions = 2
    layer.brush_size = _brush_size(array.shape)
    layer.selected_label = table.numbers[0]
    return layer


def prediction_layer(
    array: "NDArray[np.uint8]",
    table: "ClassTable",
    placement: dict[str, Any],
    *,
    image: str,
    kind: str = PREDICTION,
) -> Labels:
    """Return a layer in the annotation's colours, as outlines that nobody can paint on.

    Outlines leave the image to be seen, and tell what is predicted from what is painted.
    """
    layer = Labels(
        array,
        name=name_of(image, kind),
        colormap=colormap_of(table),
        **_marked(placement, {RESULT: True, CLASSES: table.to_json()}),
    )
    layer.contour = _OUTLINE
    layer.editable = False
    return layer


def objects_layer(
    array: "NDArray[np.uint32]", placement: dict[str, Any], *, image: str
) -> Labels:
    """Return a layer in which each object has a colour of its own."""
    return Labels(
        array, name=name_of(image, OBJECTS), **_marked(placement, {RESULT: True})
    )


def uncertainty_layer(
    array: "NDArray[np.uint8]", placement: dict[str, Any], *, image: str
) -> Image:
    """Return a hidden layer, dark where the prediction is sure."""
    layer = _glow(array, placement, name_of(image, UNCERTAINTY), "magma")
    layer.visible = False
    return layer


def doubt_layer(
    array: "NDArray[np.uint8]", placement: dict[str, Any], *, image: str
) -> Image:
    """Return a layer that is dark where nothing speaks against the prediction."""
    return _glow(array, placement, name_of(image, DOUBT), "inferno")


def _glow(
    array: "NDArray[np.uint8]", placement: dict[str, Any], name: str, colormap: str
) -> Image:
    """Return a layer that adds its light to what lies below."""
    return Image(
        array,
        name=name,
        colormap=colormap,
        contrast_limits=(0, 255),
        blending="additive",
        opacity=_GLOW,
        **_marked(placement, {RESULT: True}),
    )


def _marked(placement: dict[str, Any], marks: dict[str, Any]) -> dict[str, Any]:
    """Return keywords of a layer with marks in its metadata."""
    return {**placement, "metadata": {**placement.get("metadata", {}), **marks}}


_OUTLINE = 2  # pixels
_GLOW = 0.5  # so that the image can be seen below


def _brush_size(shape: tuple[int, ...]) -> int:
    wanted = min(shape[1:]) // 20
    return max(_SMALLEST_BRUSH, min(_LARGEST_BRUSH, wanted))
