"""What only a long look at an image and its file can tell, done in a thread."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sparseseg.data.files import open_volume
from sparseseg.data.units import PIXEL
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.widgets.channels import CHANNEL, name_first_axis
from sparseseg.widgets.file_facts import FACTS, FileFacts, facts_in
from sparseseg.widgets.geometry import is_unplaced, set_voxel_size
from sparseseg.widgets.image_check import GreyValues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Layer

_IN_MEMORY = 2**28
_NAPARI = "napari"  # the name of its own reader


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The facts of a file, and which axis of the layer holds its channels."""

    facts: FileFacts
    channel_axis: int | None


def look_into_file(layer: "Image") -> SourceFile | None:
    """Read what the file of an image says, if napari's own reader left it out; slow."""
    path = layer.source.path
    known = facts_in(layer.metadata) or layer.multiscale or layer.rgb
    if not path or known or layer.source.reader_plugin != _NAPARI:
        return None
    volume = _opened(Path(path))
    return None if volume is None else _fitting(volume, layer.data.shape, Path(path))


def take_over(
    found: SourceFile, layer: "Image", lying_there: "Iterable[Layer]"
) -> bool:
    """Give an image, and the layers that lie where it does, what its file says.

    An image of another file only borrows this voxel size, until its own file is read.
    Return whether the voxel size is another one now.
    """
    has_borrowed = layer.metadata.get(_BORROWED, False)
    others = [] if has_borrowed else _without_facts(lying_there, layer)
    layer.metadata = {**layer.metadata, FACTS: found.facts, _BORROWED: False}
    is_resized = found.facts.unit != PIXEL and (has_borrowed or is_unplaced(layer))
    if is_resized:
        set_voxel_size([layer, *others], found.facts.spacing, found.facts.unit)
        for other in others:
            other.metadata = {**other.metadata, _BORROWED: bool(other.source.path)}
    if found.channel_axis is not None:
        layer.data = np.moveaxis(layer.data, found.channel_axis, 0)
        name_first_axis(layer, CHANNEL)
    return is_resized


_BORROWED = "sparseseg voxel size of another file"


def _without_facts(layers: "Iterable[Layer]", image: "Image") -> "list[Layer]":
    return [
        layer
        for layer in layers
        if layer is not image and facts_in(layer.metadata) is None
    ]


def widen_contrast(values: GreyValues, layer: "Image") -> None:
    """Let the user choose any window, and not only a part of the one shown first."""
    if facts_in(layer.metadata) is None or values.low >= values.high:
        return
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, values.low), max(high, values.high))


def _opened(path: Path) -> Volume | None:
    """Open a file without its voxels, or, where that cannot be, with them."""
    for size in (0, _IN_MEMORY):
        with suppress(UserError):
            return open_volume(path, at_most=size)
    return None


def _fitting(volume: Volume, shape: tuple[int, ...], path: Path) -> SourceFile | None:
    """Return the facts of a volume if it is the layer of this shape."""
    channels, z, y, x = volume.array.shape
    facts = FileFacts.of(volume, path)
    if channels == 1:
        return SourceFile(facts, None) if shape == (z, y, x) else None
    if shape == (channels, z, y, x):
        return SourceFile(facts, 0)
    return SourceFile(facts, 1) if shape == (z, channels, y, x) else None
