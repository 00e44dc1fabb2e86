"""Where an image layer lies in space, and whether sparseseg can work on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import CompositeAffine

from sparseseg.data.units import PIXEL, Spacing, in_one_unit
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Image

_MOST_CHANNELS = 8
_TIME_NAMES = frozenset({"t", "time", "frame", "frames"})
_SPATIAL = 3


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the user should check before painting, in words."""

    shape: str
    spacing: str
    channels: str
    remarks: tuple[str, ...]


def check_image(layer: "Image") -> None:
    """Raise `UserError` when the layer is not one 3-D image, saying why and the mend."""
    shape = " x ".join(map(str, layer.data.shape)) if not layer.multiscale else ""
    for is_wrong, complaint in (
        (layer.multiscale, _MULTISCALE),
        (layer.rgb, _RGB),
        (layer.ndim < _SPATIAL, _FLAT),
        (layer.ndim > _SPATIAL + 1, _MANY_AXES),
        (_has_time(layer), _TIME),
        (layer.ndim == _SPATIAL + 1 and layer.data.shape[0] > _MOST_CHANNELS, _LONG),
    ):
        if is_wrong:
            raise UserError(f"{layer.name!r} {complaint.format(shape=shape)}")


_MULTISCALE = (
    "is a multiscale pyramid, which cannot be painted on: "
    "add its full resolution as a layer of its own."
)
_RGB = (
    "is an RGB picture: split it into channels first "
    "(right-click the layer, Split RGB), then choose one."
)
_FLAT = "is 2-D ({shape}): sparseseg learns from a stack of slices (z, y, x)."
_MANY_AXES = (
    "has the axes {shape}, more than channels, z, y and x: "
    "cut it down to one time point or position."
)
_TIME = (
    "has a time axis ({shape}): take one time point out "
    "(right-click the layer, Split Stack), then choose that."
)
_LONG = (
    f"has the axes {{shape}}: the first is too long for channels (at most "
    f"{_MOST_CHANNELS}) and looks like time; right-click the layer, Split Stack."
)


def _has_time(layer: "Image") -> bool:
    first = layer.axis_labels[: layer.ndim - _SPATIAL]
    return any(label.lower() in _TIME_NAMES for label in first)


def volume_of(layer: "Image") -> Volume:
    """Read a checked image layer as a volume; a fourth, first axis is channels."""
    check_image(layer)
    spacing, unit = spacing_of(layer)
    return Volume.from_array(
        np.asarray(layer.data),
        spacing=spacing,
        unit=unit,
        name=layer.name,
        channel_axis=0 if layer.ndim > _SPATIAL else None,
    )


def spacing_of(layer: "Image") -> tuple[Spacing, str]:
    """Return the voxel edges (z, y, x), after the layer's whole transform, and unit."""
    linear = layer.affine.linear_matrix @ _own_transform(layer).linear_matrix
    z, y, x = np.linalg.norm(linear, axis=0)[-_SPATIAL:].tolist()
    unit_z, unit_y, unit_x = map(str, layer.units[-_SPATIAL:])
    return in_one_unit((z, y, x), (unit_z, unit_y, unit_x))


def placement_of(layer: "Image") -> dict[str, Any]:
    """Return the keywords that put a 3-D layer exactly where this image lies."""
    axes = list(range(layer.ndim))[-_SPATIAL:]
    own = _own_transform(layer).set_slice(axes)
    return {
        "scale": own.scale,
        "translate": own.translate,
        "rotate": own.rotate,
        "shear": own.shear,
        "affine": layer.affine.set_slice(axes),
        "units": layer.units[-_SPATIAL:],
        "axis_labels": layer.axis_labels[-_SPATIAL:],
    }


def facts_of(layer: "Image") -> ImageFacts:
    """Describe a checked image layer."""
    spacing, unit = spacing_of(layer)
    return ImageFacts(
        shape=_times(map(str, layer.data.shape[-_SPATIAL:])),
        spacing=f"{_times(f'{edge:.3g}' for edge in spacing)} {_SYMBOLS.get(unit, unit)}",
        channels=str(layer.data.shape[0] if layer.ndim > _SPATIAL else 1),
        remarks=tuple(_remarks(layer, spacing, unit)),
    )


_SYMBOLS = {"um": "\N{MICRO SIGN}m"}


def _remarks(layer: "Image", spacing: Spacing, unit: str) -> list[str]:
    names = {str(name) for name in layer.units[-_SPATIAL:]}
    if unit == PIXEL and len(names) > 1:
        return [
            f"The axes have different units ({', '.join(sorted(names))}), so their "
            "spacing is left out: give the layer one unit."
        ]
    if unit == PIXEL and len(set(spacing)) == 1:
        return [
            "No voxel spacing is known, so voxels count as cubes. If they are not, set "
            "the layer's scale before you annotate."
        ]
    return []


def _own_transform(layer: "Image") -> CompositeAffine:
    return CompositeAffine(
        layer.scale, layer.translate, rotate=layer.rotate, shear=layer.shear
    )


def _times(parts: Iterable[str]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(parts)
