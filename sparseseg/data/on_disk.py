"""Arrays that stay on disk: what is read is read when it is asked for."""

import mmap
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.time_points import TimeSeriesError, check_point
from sparseseg.errors import UserError

IN_MEMORY = 2**30
"""Bytes; where a person works on volumes, larger ones stay on disk."""
Found = TypeVar("Found")
_LEGAL = tuple(map(sorted, ("zyx", "czyx", "tczyx", "tzyx")))


class OnDisk:
    """An array (c, z, y, x) behind which lies one of another order of axes.

    It has `shape`, `dtype` and `ndim`, and is read by up to four slices, or as a whole by
    `numpy.asarray`. Where another process takes it, what is sent is `opened`, which
    opens the file again there; without it, it cannot be sent. `point` is the one of a
    time axis that is read.
    """

    def __init__(
        self,
        source: Any,
        letters: str,
        *,
        opened: Callable[[], "OnDisk"] | None = None,
        point: int | None = None,
    ) -> None:
        self._source = source
        self._letters = letters
        self._opened = opened
        sizes = dict(zip(letters, source.shape, strict=True))
        points = sizes.get("t", 1)
        if points > 1 and point is None:
            raise TimeSeriesError(points)
        self._point = point or 0
        check_point(self._point, points)
        self.shape = tuple(sizes.get(letter, 1) for letter in "czyx")
        self.dtype = np.dtype(source.dtype)
        self.ndim = 4
        self._held: tuple[tuple[slice, slice, slice], NDArray[Any]] | None = None
        self._known: dict[Hashable, Any] = {}
        self.size = int(np.prod(self.shape))
        self.nbytes = self.size * self.dtype.itemsize

    @property
    def blocks(self) -> tuple[int, int, int] | None:
        """The sides z, y, x of what is read at once; None where a file has no blocks."""
        sides = getattr(self._source, "chunks", None)
        if not sides or not all(isinstance(side, int) for side in sides):
            return None
        named = dict(zip(self._letters, sides, strict=True))
        z, y, x = (named.get(letter, 1) for letter in "zyx")
        return z, y, x

    @property
    def reopen(self) -> Callable[[], "OnDisk"] | None:
        """What opens the file again, in this or another process; None without a file."""
        return self._opened

    def __reduce__(self) -> tuple[Callable[[], "OnDisk"], tuple[()]]:
        if self._opened is None:
            raise TypeError("these voxels lie in no file that could be opened again")
        return self._opened, ()

    def once(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """Return what is made of these voxels: the first time it is made, then kept."""
        if key not in self._known:
            self._known[key] = make()
        found: Found = self._known[key]
        return found

    def hold(self, z: slice, y: slice, x: slice) -> None:
        """Keep a block in memory, and serve what lies inside from it, until another."""
        self._held = (z, y, x), self._read((slice(None), z, y, x))

    def __getitem__(self, key: slice | Sequence[slice]) -> NDArray[Any]:
        given = (key,) if isinstance(key, slice) else tuple(key)
        channels, *places = (*given, *[slice(None)] * (4 - len(given)))
        if self._held is not None:
            edges, block = self._held
            inside = [_within(*pair) for pair in zip(places, edges, strict=True)]
            if None not in inside:
                found: NDArray[Any] = block[(channels, *inside)]
                return found
        return self._read((channels, *places))

    def _read(self, key: Sequence[slice]) -> NDArray[Any]:
        asked = dict(zip("czyx", key, strict=True))
        asked["t"] = slice(self._point, self._point + 1)
        places = tuple(asked.get(letter, slice(0, 1)) for letter in self._letters)
        found = self._blocks(places)
        if "t" in self._letters:
            found = found.take(0, self._letters.index("t"))
        letters = self._letters.replace("t", "")
        order = [letters.index(letter) for letter in "czyx" if letter in letters]
        turned = found.transpose(order)
        return turned if "c" in letters else turned[None]

    def _blocks(self, places: tuple[slice, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self._source[places])
        except (UserError, MemoryError):
            raise
        except Exception as error:
            # What unpacks a broken block fails in any way it can.
            raise UserError(
                "a part of the image cannot be read, the file is damaged or cut short: "
                "{error}",
                error=" ".join(str(error).split()) or type(error).__name__,
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


def once(array: object, key: Hashable, make: Callable[[], Found]) -> Found:
    """Return what is made of an array; of one on disk it is made once, and kept with it.

    Planes of a file in blocks take seconds to read, because each block is unpacked whole.
    """
    return array.once(key, make) if isinstance(array, OnDisk) else make()


def let_go(*arrays: NDArray[Any] | None) -> None:
    """Give back the memory of what is in a file already."""
    for array in arrays:
        base = getattr(array, "_mmap", None)
        if isinstance(array, np.memmap) and base is not None:
            array.flush()
            if hasattr(mmap, "MADV_DONTNEED"):
                base.madvise(mmap.MADV_DONTNEED)


def _within(asked: slice, held: slice) -> slice | None:
    """Return a part as seen from a block that holds it, else None."""
    if asked.start is None or asked.start < held.start or asked.stop > held.stop:
        return None
    return slice(asked.start - held.start, asked.stop - held.start)


def axes_named(names: Sequence[str]) -> str:
    """Return one letter an axis for names such as "depth", "row" or "channel"."""
    return "".join(_LETTERS.get(name.lower(), name.lower()[:1]) for name in names)


def known_axes(letters: str, shape: Sequence[int]) -> str:
    """Return letters of axes in small; `UserError` for others than t, c, z, y, x.

    Without letters, three axes are z, y, x; of four, the shorter of the first and the
    last holds the channels.
    """
    small = letters.lower() or _usual(shape)
    if sorted(small) not in _LEGAL or len(small) != len(shape):
        if len(shape) == 2:
            raise UserError(
                "is 2-D, {shape}: save its slices as one stack", shape=tuple(shape)
            )
        raise UserError(
            "has axes {letters!r} and shape {shape}: save z, y, x, or four axes "
            "with channels",
            letters=letters,
            shape=tuple(shape),
        )
    return small


def _usual(shape: Sequence[int]) -> str:
    """Return the letters of axes without names; "" where nothing is usual."""
    if len(shape) == 4:
        return _with_channels(shape)
    return "zyx" if len(shape) == 3 else ""


def _with_channels(shape: Sequence[int]) -> str:
    """Tell which of four axes without names holds the channels."""
    first, last = shape[0], shape[-1]
    if first == last or min(first, last) > _MOST_CHANNELS:
        raise UserError(
            "has four axes of shape {shape} without names, and neither the first "
            "nor the last is clearly the channels: save z, y, x, or name the axes",
            shape=tuple(shape),
        )
    return "czyx" if first < last else "zyxc"


_MOST_CHANNELS = 8
_LETTERS = {
    **dict.fromkeys(("depth", "plane", "planes", "slice", "slices"), "z"),
    **dict.fromkeys(("row", "rows", "height"), "y"),
    **dict.fromkeys(("col", "cols", "column", "columns", "width"), "x"),
    **dict.fromkeys(("band", "bands"), "c"),
    **dict.fromkeys(("frame", "frames"), "t"),
}
