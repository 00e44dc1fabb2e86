"""Preparing a volume that stays on disk: block by block, into a file of its own."""

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.boxes import Box, Triple
from sparseseg.data.volume import Volume
from sparseseg.recipes.pretrained.frame import Frame
from sparseseg.recipes.pretrained.inference import Inference, Resampling
from sparseseg.recipes.pretrained.normalising import Statistics, normalised
from sparseseg.recipes.pretrained.resampling import nearest_slices

Read = Callable[[Box], NDArray[np.float32]]
"""Returns (c, z, y, x) of a box."""

_BLOCK: Triple = (32, 256, 256)
# A cubic spline's weights fall by 0.27 a voxel: at 16 they are below 1e-9.
_MARGIN = {"linear": 2, "nnunet-v1": 16, "nnunet-v2": 16}


@dataclass(frozen=True, slots=True, eq=False)
class GreyGrid:
    """Grey values on a grid of this shape, of which any box can be read."""

    channels: int
    shape: Triple
    read: Read


def crop_of(volume: Volume, frame: Frame) -> Box:
    """Return the box, in the network's axes, of all voxels which are not 0."""
    seen = [np.zeros(size, bool) for size in volume.shape]
    for box in _blocks(volume.shape):
        some = (volume.array[(slice(None), *box.slices)] != 0).any(0)
        for axis, line in enumerate(seen):
            others = tuple(a for a in range(3) if a != axis)
            line[box.slices[axis]] |= some.any(others)
    lines = [np.flatnonzero(line) for line in seen]
    if not all(line.size for line in lines):
        return frame.box(Box.whole(volume.shape), volume.shape)
    (z, z1), (y, y1), (x, x1) = ((int(a[0]), int(a[-1]) + 1) for a in lines)
    return frame.box(Box((z, y, x), (z1, y1, x1)), volume.shape)


def turned(volume: Volume, frame: Frame, crop: Box) -> GreyGrid:
    """Return the crop of a volume in the network's axes; what is not finite is mended."""

    def read(box: Box) -> NDArray[np.float32]:
        there = Box(_sum(box.start, crop.start), _sum(box.stop, crop.start))
        back = frame.box_back(there, volume.shape)
        block = volume.array[(slice(None), *back.slices)]
        return np.ascontiguousarray(frame.to_network(block), np.float32)

    raw = GreyGrid(volume.channels, crop.shape, read)
    least, most = _finite_range(raw)

    def mended(box: Box) -> NDArray[np.float32]:
        return np.nan_to_num(read(box), nan=least, posinf=most, neginf=least)

    return GreyGrid(volume.channels, crop.shape, mended)


def normalising(grid: GreyGrid, rule: Inference) -> GreyGrid:
    """Normalise what is read of a grid, by what all of it holds."""
    known = [found.statistics for found in _measured(grid)]

    def read(box: Box) -> NDArray[np.float32]:
        channels = zip(grid.read(box), rule.normalisers, known, strict=True)
        return np.stack([normalised(grey, how, k) for grey, how, k in channels])

    return GreyGrid(grid.channels, grid.shape, read)


def resampled(
    grid: GreyGrid, shape: Triple, coarse: int | None, rule: Resampling
) -> GreyGrid:
    """Return a grid in another shape; see `resampling.resample_grey`.

    A spline overshoots where grey values jump: it is cut to the extremes of the
    channel, or of each slice where slices are resampled apart.
    """
    if grid.shape == shape:
        return grid
    if rule == "linear":
        return GreyGrid(grid.channels, shape, _reader(grid, shape, None, rule))
    known = _measured(grid, coarse)
    interpolated = _reader(grid, shape, coarse, rule)

    def read(box: Box) -> NDArray[np.float32]:
        block = interpolated(box)
        for channel, found in zip(block, known, strict=True):
            np.clip(channel, *found.extremes(shape, box), out=channel)
        return block

    return GreyGrid(grid.channels, shape, read)


def written(
    grid: GreyGrid,
) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
    """Write a grid into a temporary file, and return it as an array that lies there.

    Yields how many planes of how many are written. Raises `OSError` where the disk is full; the file
    goes with the array.
    """
    _, rows, columns = grid.shape
    with tempfile.TemporaryFile() as file:
        for low in range(0, grid.shape[0], _BLOCK[0]):
            high = min(grid.shape[0], low + _BLOCK[0])
            slab = np.empty((grid.channels, high - low, rows, columns), np.float32)
            whole = Box((low, 0, 0), (high, rows, columns))
            for box in _blocks(whole.shape):
                there = Box(_sum(box.start, whole.start), _sum(box.stop, whole.start))
                slab[(slice(None), *box.slices)] = grid.read(there)
            for channel, part in enumerate(slab):
                place = (channel * grid.shape[0] + low) * rows * columns
                file.seek(place * slab.itemsize)
                file.write(part.tobytes())
            yield high, grid.shape[0]
        file.flush()
        # Private, because torch wants arrays that may be written.
        return np.memmap(file, np.float32, "c", shape=(grid.channels, *grid.shape))


class _Measured:
    """Sums over a channel, and its extremes: of all, or of each slice across an axis."""

    def __init__(self, shape: Triple, across: int | None) -> None:
        self._across = across
        size = 1 if across is None else shape[across]
        self._least = np.full(size, np.inf, np.float32)
        self._most = np.full(size, -np.inf, np.float32)
        self._count, self._total, self._squares = 0, 0.0, 0.0

    def add(self, grey: NDArray[np.float32], box: Box) -> None:
        """Take in a block (z, y, x), which lies at `box`."""
        across = self._across
        others = tuple(axis for axis in range(3) if axis != across)
        there = slice(0, 1) if across is None else box.slices[across]
        self._least[there] = np.minimum(self._least[there], grey.min(others))
        self._most[there] = np.maximum(self._most[there], grey.max(others))
        self._count += grey.size
        self._total += float(grey.sum(dtype=np.float64))
        self._squares += float(np.square(grey, dtype=np.float64).sum())

    @property
    def statistics(self) -> Statistics:
        """What a normalisation may need."""
        mean = self._total / self._count
        variance = max(0.0, self._squares / self._count - mean**2)
        ends = self._least.min(), self._most.max()
        return Statistics(*ends, np.float32(mean), float(np.sqrt(variance)))

    def extremes(self, shape: Triple, box: Box) -> tuple[Any, Any]:
        """Return between what a box of a grid in another shape has to lie."""
        across = self._across
        if across is None:
            return self._least[0], self._most[0]
        voxels = np.arange(box.start[across], box.stop[across])
        slices = nearest_slices(voxels, len(self._least), shape[across])
        line = [-1 if axis == across else 1 for axis in range(3)]
        return self._least[slices].reshape(line), self._most[slices].reshape(line)


def _measured(grid: GreyGrid, across: int | None = None) -> list[_Measured]:
    found = [_Measured(grid.shape, across) for _ in range(grid.channels)]
    for box in _blocks(grid.shape):
        for channel, known in zip(grid.read(box), found, strict=True):
            known.add(channel, box)
    return found


def _reader(
    grid: GreyGrid, shape: Triple, coarse: int | None, rule: Resampling
) -> Read:
    """Return what interpolates a box from as much of a grid as it needs."""

    def read(box: Box) -> NDArray[np.float32]:
        """Return the voxels (c, z, y, x) of a box of the new grid."""
        lines = [_Line(grid.shape[a], shape[a], box, a, rule) for a in range(3)]
        if coarse is not None:
            lines[coarse].take_slices()
        (z, z1), (y, y1), (x, x1) = ((line.start, line.stop) for line in lines)
        block = grid.read(Box((z, y, x), (z1, y1, x1)))
        return np.stack(
            [
                _interpolated(source, lines, box.shape, rule).astype(np.float32)
                for source in block
            ]
        )

    return read


class _Line:
    """How one axis of a box lies on the grid that it is resampled from."""

    def __init__(
        self, old: int, new: int, box: Box, axis: int, rule: Resampling
    ) -> None:
        self._old, self._new = old, new
        self._first, self._last = box.start[axis], box.stop[axis]
        if rule == "linear":
            self.ratio = (old - 1) / max(1, new - 1)
            shift = 0.0
        else:
            self.ratio = old / new
            shift = 0.5 * self.ratio - 0.5
        low, high = (
            self.ratio * voxel + shift for voxel in (self._first, self._last - 1)
        )
        margin = _MARGIN[rule] if old != new else 0
        self.start = max(0, int(np.floor(low)) - margin)
        self.stop = min(old, int(np.ceil(high)) + margin + 1)
        self.offset = low - self.start
        self.slices: NDArray[np.intp] | None = None

    def take_slices(self) -> None:
        """Take the nearest slice for each voxel, and interpolate nothing between."""
        voxels = np.arange(self._first, self._last)
        self.slices = nearest_slices(voxels, self._old, self._new)
        self.start = int(self.slices.min())
        self.stop = int(self.slices.max()) + 1


def _interpolated(
    source: NDArray[np.float32], lines: list[_Line], shape: Triple, rule: Resampling
) -> NDArray[np.float64]:
    coarse = [axis for axis, line in enumerate(lines) if line.slices is not None]
    if not coarse:
        return _affine(source, lines, shape, rule)
    axis = coarse[0]
    slices = lines[axis].slices
    assert slices is not None
    flat = [line for a, line in enumerate(lines) if a != axis]
    size = [side for a, side in enumerate(shape) if a != axis]
    planes = {
        index: _affine(plane, flat, size, rule)
        for index, plane in enumerate(np.moveaxis(source, axis, 0))
    }
    return np.stack([planes[index - lines[axis].start] for index in slices], axis)


def _affine(
    source: NDArray[np.float32],
    lines: list[_Line],
    shape: Sequence[int],
    rule: Resampling,
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = ndimage.affine_transform(
        source.astype(np.float64),
        [line.ratio for line in lines],
        [line.offset for line in lines],
        tuple(shape),
        order=1 if rule == "linear" else 3,
        mode="nearest",
    )
    return found


def _finite_range(grid: GreyGrid) -> tuple[float, float]:
    least, most = np.inf, -np.inf
    for box in _blocks(grid.shape):
        block = grid.read(box)
        good = block[np.isfinite(block)]
        if good.size:
            least, most = min(least, good.min()), max(most, good.max())
    return (float(least), float(most)) if least <= most else (0.0, 0.0)


def _blocks(shape: Triple) -> Iterator[Box]:
    axes = (range(0, size, step) for size, step in zip(shape, _BLOCK, strict=True))
    for z, y, x in product(*axes):
        corner = (z + _BLOCK[0], y + _BLOCK[1], x + _BLOCK[2])
        yield Box((z, y, x), corner).clip(shape)


def _sum(one: Triple, other: Triple) -> Triple:
    z, y, x = (a + b for a, b in zip(one, other, strict=True))
    return z, y, x
