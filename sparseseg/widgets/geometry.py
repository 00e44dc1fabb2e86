"""Where layers lie in space: their voxel size, and the way from an image to a volume."""

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
from napari.utils.transforms import CompositeAffine

from sparseseg.data.on_disk import OnDisk
from sparseseg.data.source import Source
from sparseseg.data.units import PIXEL, UNKNOWN, Spacing, in_one_unit
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import template
from sparseseg.widgets.channels import channel_layers, has_time, needs_naming
from sparseseg.widgets.file_facts import FACTS, facts_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from sparseseg.data.anatomy import Anatomy

_MOST_CHANNELS = 8
_SPATIAL = 3
# Voxels are shown at most this part of their size from where they are painted, over a
# thousand of them.
_SLANT = 1e-4
_BEFORE = "sparseseg placement before"
"""Where a layer that was set straight holds the placement that it had."""


def check_image(layer: "Image") -> None:
    """Raise `UserError` when the layer is not one 3-D image, saying why and the mend."""
    shape = " x ".join(map(str, layer.data.shape))
    for is_wrong, complaint in (
        (layer.rgb, _RGB),
        (layer.ndim < _SPATIAL, _FLAT),
        (layer.ndim > _SPATIAL + 1, _MANY_AXES),
        (has_time(layer), _TIME),
        (layer.ndim == _SPATIAL + 1 and layer.data.shape[0] > _MOST_CHANNELS, _LONG),
        (needs_naming(layer), _UNNAMED),
        (not is_straight(layer), _SLANTED),
    ):
        if is_wrong:
            raise UserError(
                complaint, name=layer.name, shape=shape, most=_MOST_CHANNELS
            )


_RGB = template(
    "{name!r} is an RGB picture: split it into channels first "
    "(right-click the layer, Split RGB), then choose one."
)
_FLAT = template(
    "{name!r} is 2-D ({shape}): sparseseg learns from a stack of slices (z, y, x)."
)
_MANY_AXES = template(
    "{name!r} has the axes {shape}, more than channels, z, y and x: "
    "cut it down to one time point or position."
)
_TIME = template(
    "{name!r} has a time axis ({shape}): take one time point out "
    "(right-click the layer, Split Stack), then choose that."
)
_LONG = template(
    "{name!r} has the axes {shape}: the first is too long for channels (at most "
    "{most}) and looks like time; right-click the layer, Split Stack."
)
_UNNAMED = template(
    "{name!r} has the axes {shape}: say in step 1 whether the first one holds channels or time "
    "points."
)
_SLANTED = template(
    "{name!r} is rotated or sheared by its layer's transform, so that slices of the window are "
    "not slices of its voxels: press Show in voxel axes in step 1."
)


def is_straight(layer: "Layer") -> bool:
    """Tell whether what napari shows as a slice is one of the array.

    Mirrored and moved layers are straight; rotated, sheared and swapped axes are not.
    """
    linear = _linear_of(layer)
    edges = np.linalg.norm(linear, axis=0)
    slant = np.abs(linear - np.diag(np.diagonal(linear))) / np.where(edges, edges, 1)
    return bool(slant.max(initial=0) < _SLANT)


def straighten(layer: "Layer") -> None:
    """Show a layer in its voxel axes; `turn_back` undoes it."""
    before = {name: getattr(layer, name) for name in _PLACEMENT}
    edges = np.linalg.norm(_linear_of(layer), axis=0)
    layer.metadata = {**layer.metadata, _BEFORE: before}
    ndim = layer.ndim
    _place(
        layer,
        {
            "affine": np.eye(ndim + 1),
            "rotate": np.eye(ndim),
            "shear": np.eye(ndim),
            "scale": edges,
            "translate": np.zeros(ndim),
        },
    )


def turn_back(layer: "Layer") -> None:
    """Give a layer that was set straight the placement that it had."""
    before = layer.metadata[_BEFORE]
    layer.metadata = {k: v for k, v in layer.metadata.items() if k != _BEFORE}
    _place(layer, before)


_PLACEMENT = ("affine", "rotate", "shear", "scale", "translate")


def _place(layer: "Layer", placement: dict[str, Any]) -> None:
    for name, value in placement.items():
        setattr(layer, name, value)


def was_straightened(layer: "Layer") -> bool:
    """Tell whether `turn_back` can undo something."""
    return _BEFORE in layer.metadata


def volume_of(layer: "Image") -> Volume:
    """Read a checked image layer, with its channels in other layers, as a volume."""
    check_image(layer)
    spacing, unit = spacing_of(layer)
    array = _source_of((layer, *channel_layers(layer)))
    names = channel_names(layer)
    volume = Volume(array, spacing, unit, name=layer.name, channel_names=names)
    facts = facts_in(layer.metadata)
    return volume if facts is None else facts.place(volume)


def channel_names(layer: "Image") -> tuple[str, ...]:
    """Return what the channels are called, if there are several and they have names."""
    others = channel_layers(layer)
    if others:
        return (layer.name, *(other.name for other in others))
    facts = facts_in(layer.metadata)
    count = layer.data.shape[0] if layer.ndim > _SPATIAL else 1
    known = facts.channel_names if facts else ()
    return known if len(known) == count else ()


def full_resolution(layer: "Image") -> Any:
    """Return the voxels of a layer, of a pyramid its finest level; nothing is read."""
    return layer.data[0] if layer.multiscale else layer.data


def _source_of(layers: "tuple[Image, ...]") -> Source:
    """Return c, z, y, x voxels; what is not in memory is read when it is asked for."""
    arrays = [full_resolution(layer) for layer in layers]
    facts = facts_in(layers[0].metadata)
    if len(arrays) == 1 and facts and (stored := facts.behind(arrays[0])) is not None:
        return stored
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np.stack(arrays) if len(arrays) > 1 else _with_channels(arrays[0])
    lazy = [dask.array.asarray(array) for array in arrays]
    whole = dask.array.stack(lazy) if len(lazy) > 1 else _with_channels(lazy[0])
    return OnDisk(whole, "czyx")


def _with_channels(array: Any) -> Any:
    return array if array.ndim > _SPATIAL else array[None]


def spacing_of(layer: "Image") -> tuple[Spacing, str]:
    """Return the voxel edges (z, y, x), after the layer's whole transform, and unit.

    Where only some axes have a length they are unknown; the card of the image says so.
    """
    edges = np.linalg.norm(_linear_of(layer), axis=0)
    z, y, x = edges[-_SPATIAL:].tolist()
    unit_z, unit_y, unit_x = map(str, layer.units[-_SPATIAL:])
    if PIXEL in (units := {unit_z, unit_y, unit_x}) and len(units) > 1:
        return UNKNOWN
    return in_one_unit((z, y, x), (unit_z, unit_y, unit_x))


def lying_on(image: "Image", layers: "Iterable[Layer]") -> "list[Layer]":
    """Return the image and those layers that have its voxels in its place."""
    return [layer for layer in layers if layer is image or _has_place_of(layer, image)]


def _has_place_of(layer: "Layer", image: "Image") -> bool:
    shape = getattr(layer.data, "shape", ())
    if (
        getattr(layer, "rgb", False)
        or shape[-_SPATIAL:] != image.data.shape[-_SPATIAL:]
    ):
        return False
    ours, theirs = _spatial_matrix(layer), _spatial_matrix(image)
    return np.allclose(ours, theirs) and layer.units[-3:] == image.units[-3:]


def _spatial_matrix(layer: "Layer") -> "NDArray[np.float64]":
    axes = list(range(layer.ndim))[-_SPATIAL:]
    own = _own_transform(layer).set_slice(axes).affine_matrix
    return np.asarray(layer.affine.set_slice(axes).affine_matrix @ own)


def is_unplaced(layer: "Layer") -> bool:
    """Tell whether nobody gave the layer a size, a place or a unit yet."""
    own = _own_transform(layer).affine_matrix
    is_untouched = np.allclose(layer.affine.affine_matrix @ own, np.eye(layer.ndim + 1))
    return is_untouched and {str(unit) for unit in layer.units} == {PIXEL}


def set_voxel_size(layers: "Iterable[Layer]", spacing: Spacing, unit: str) -> None:
    """Give layers voxel edges (z, y, x); mirrored axes stay so, and origins as well."""
    for layer in layers:
        edges = np.linalg.norm(_linear_of(layer), axis=0)[-_SPATIAL:]
        stretch = np.ones(layer.ndim)
        stretch[-_SPATIAL:] = spacing / edges
        start = np.array(layer.translate) * stretch
        layer.scale = np.array(layer.scale) * stretch
        layer.translate = start
        layer.units = (*layer.units[:-_SPATIAL], *(unit,) * _SPATIAL)


def placement_of(layer: "Image") -> dict[str, Any]:
    """Return the keywords that put a 3-D layer exactly where this image lies.

    With them the layer knows what the image's file said.
    """
    axes = list(range(layer.ndim))[-_SPATIAL:]
    own = _own_transform(layer).set_slice(axes)
    facts = facts_in(layer.metadata)
    return {
        "scale": own.scale,
        "translate": own.translate,
        "rotate": own.rotate,
        "shear": own.shear,
        "affine": layer.affine.set_slice(axes),
        "units": layer.units[-_SPATIAL:],
        "axis_labels": layer.axis_labels[-_SPATIAL:],
        "metadata": {} if facts is None else {FACTS: facts},
    }


def upright_placement(
    spacing: Spacing, shape: tuple[int, int, int], anatomy: "Anatomy | None"
) -> dict[str, Any]:
    """Return scale and translation that show a volume as radiologists see it.

    The head and the face are at the top of a picture, the patient's right at the left.
    An axis that runs the other way gets a negative scale, so that the array stays in
    the order of the file.
    """
    backwards = anatomy.backwards if anatomy else (False,) * _SPATIAL
    signs = np.where(backwards, -1.0, 1.0)
    lengths = np.array(spacing) * (np.array(shape) - 1)
    return {"scale": spacing * signs, "translate": np.where(backwards, lengths, 0.0)}


def _linear_of(layer: "Layer") -> "NDArray[np.float64]":
    """Return the matrix from voxel steps to the world, without its translation."""
    own = _own_transform(layer).linear_matrix
    return np.asarray(layer.affine.linear_matrix @ own, float)


def _own_transform(layer: "Layer") -> CompositeAffine:
    return CompositeAffine(
        layer.scale, layer.translate, rotate=layer.rotate, shear=layer.shear
    )
