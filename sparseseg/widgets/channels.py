"""Which channels an image has: on an axis of its own, or in other layers."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Image

CHANNEL, TIME = "channel", "time"
CHANNELS = "sparseseg channels"
"""Where an image's metadata holds the layers of its other channels."""
_SPATIAL = 3
_TIME_NAMES = frozenset({"t", TIME, "times", "frame", "frames", "timepoint"})
_CHANNEL_NAMES = frozenset({"c", "ch", CHANNEL, "channels", "wavelength", "stain"})


def has_time(layer: "Image") -> bool:
    """Tell whether an axis before z, y, x is labelled as time."""
    return any(label.lower() in _TIME_NAMES for label in _leading(layer))


def needs_naming(layer: "Image") -> bool:
    """Tell whether a fourth, first axis may hold channels or time."""
    labels = _leading(layer)
    if len(labels) != 1 or layer.data.shape[0] == 1:
        return False
    return labels[0].lower() not in _TIME_NAMES | _CHANNEL_NAMES


def name_first_axis(layer: "Image", name: str) -> None:
    """Label the first of four axes `CHANNEL` or `TIME`, and the others z, y, x."""
    layer.axis_labels = (name, "z", "y", "x")


def name_spatial_axes(layer: "Image") -> None:
    """Label the axes z, y, x, which napari shows at its sliders, if they have no name."""
    if layer.axis_labels == ("-3", "-2", "-1"):
        layer.axis_labels = ("z", "y", "x")


def channel_layers(layer: "Image") -> "tuple[Image, ...]":
    """Return the layers that hold the other channels of an image."""
    return tuple(layer.metadata.get(CHANNELS, ()))


def choose_channels(layer: "Image", others: "Iterable[Image]") -> None:
    """Take other layers as channels of an image, or none."""
    kept = {key: value for key, value in layer.metadata.items() if key != CHANNELS}
    chosen = tuple(others)
    layer.metadata = {**kept, CHANNELS: chosen} if chosen else kept


def possible_channels(layer: "Image", images: "Iterable[Image]") -> "tuple[Image, ...]":
    """Return the images that may be channels of one: 3-D, and of its place."""
    if layer.multiscale or layer.rgb or layer.ndim != _SPATIAL:
        return ()
    return tuple(each for each in images if each is not layer and _fits(each, layer))


def _fits(layer: "Image", image: "Image") -> bool:
    if layer.multiscale or layer.rgb or layer.data.shape != image.data.shape:
        return False
    same = layer.scale, layer.translate, layer.affine.affine_matrix
    others = image.scale, image.translate, image.affine.affine_matrix
    return all(map(np.allclose, same, others)) and layer.units == image.units


def _leading(layer: "Image") -> "Sequence[str]":
    return layer.axis_labels[: layer.ndim - _SPATIAL] if layer.ndim > _SPATIAL else ()
