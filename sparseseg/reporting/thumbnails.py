"""Small pictures of a prediction in three planes, read slice by slice."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageColor import getrgb

from sparseseg.classes import ClassTable
from sparseseg.data.volume import Volume

_HEIGHT = 150
_OPACITY = 0.45
_PERCENTILES = (1, 99)


def thumbnail(volume: Volume, labels: NDArray[np.uint8], table: ClassTable) -> str:
    """Return a PNG as a data address: z, y, x through where most is labelled."""
    planes = [_plane(volume, labels, table, axis) for axis in range(3)]
    gap = np.full((_HEIGHT, 4, 3), 255, np.uint8)
    row = np.concatenate([planes[0], gap, planes[1], gap, planes[2]], 1)
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _plane(
    volume: Volume, labels: NDArray[np.uint8], table: ClassTable, axis: int
) -> NDArray[np.uint8]:
    index = _fullest(labels, axis)
    places: list[Any] = [slice(None)] * 3
    places[axis] = slice(index, index + 1)
    grey = np.asarray(volume.array[:, places[0], places[1], places[2]])[0]
    grey = np.nan_to_num(grey.squeeze(axis).astype(np.float32))
    classes = np.asarray(labels[tuple(places)]).squeeze(axis)
    low, high = np.percentile(grey, _PERCENTILES)
    tone = ((grey - low) / max(high - low, 1e-6)).clip(0, 1) * 255
    picture = np.repeat(tone[..., None], 3, -1)
    for value in np.unique(classes):
        if value and value in table.numbers:
            colour = np.array(getrgb(table.colour_of(int(value))))
            members = classes == value
            picture[members] = (1 - _OPACITY) * picture[members] + _OPACITY * colour
    sides = [size for a, size in enumerate(volume.spacing) if a != axis]
    rows, columns = (n * side for n, side in zip(grey.shape, sides, strict=True))
    width = int(np.clip(round(_HEIGHT * columns / rows), 20, 3 * _HEIGHT))
    image = Image.fromarray(picture.astype(np.uint8)).resize((width, _HEIGHT))
    return np.asarray(image)


def _fullest(labels: NDArray[np.uint8], axis: int) -> int:
    """Return the slice with the most labelled voxels, of 33 at equal distances."""
    length = labels.shape[axis]
    tried = np.unique(np.linspace(0, length - 1, min(length, 33)).astype(int))
    counts = [np.count_nonzero(labels.take(int(i), axis)) for i in tried]
    best = int(np.argmax(counts))
    return int(tried[best]) if counts[best] else length // 2
