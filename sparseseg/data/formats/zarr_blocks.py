"""Blocks of a Zarr array that are cut short: Blosc does not notice, and makes up voxels."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.errors import UserError

_HEAD = 16
_WHOLE = slice(12, 16)
"""Where the head of a Blosc block says how many bytes it has (c-blosc, README_HEADER)."""


def checked(array: Any, folder: Path) -> Any:
    """Return an array whose blocks are checked before they are unpacked, if it needs that.

    `folder` holds the blocks.
    """
    packers = [type(one).__name__ for one in array.compressors]
    is_blosc = any(name.startswith("Blosc") for name in packers)
    return _Checked(array, folder) if is_blosc and array.shards is None else array


class _Checked:
    """An array of Blosc blocks, each in a file of its own."""

    def __init__(self, array: Any, folder: Path) -> None:
        self._array = array
        self._folder = folder
        self._whole: set[tuple[int, ...]] = set()
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks

    def __getitem__(self, places: tuple[slice, ...]) -> NDArray[Any]:
        axes = zip(places, self.shape, self.chunks, strict=True)
        touched = [_touched(*axis) for axis in axes]
        for at in product(*touched):
            if at not in self._whole:
                self._check(at)
        return np.asarray(self._array[places])

    def _check(self, at: tuple[int, ...]) -> None:
        block = self._folder / self._array.metadata.encode_chunk_key(at)
        try:
            with block.open("rb") as file:
                head = file.read(_HEAD)
                size = file.seek(0, 2)
        except FileNotFoundError:
            return  # Zarr leaves out blocks that hold nothing but the fill value
        if len(head) < _HEAD or int.from_bytes(head[_WHOLE], "little") > size:
            raise UserError(
                "the block {block} is cut short: copy or download the image again",
                block=block.relative_to(self._folder).as_posix(),
            )
        self._whole.add(at)


def _touched(place: slice, size: int, side: int) -> range:
    """Return which blocks of an axis a part of it lies in."""
    start, stop, step = place.indices(size)
    last = range(start, stop, step)[-1] if stop > start else start - 1
    return range(start // side, last // side + 1)
