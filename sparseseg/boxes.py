"""Boxes of voxels, and the cutting of a volume into tiles that say what they read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from sparseseg.errors import UserError

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Box:
    """The voxels from `start` up to, but without, `stop`; axes z, y, x."""

    start: Triple
    stop: Triple

    @classmethod
    def whole(cls, shape: Triple) -> "Box":
        """Return the box of all voxels of a volume."""
        return cls((0, 0, 0), shape)

    @classmethod
    def plane(cls, shape: Triple, axis: int, index: int) -> "Box":
        """Return the box of one slice of a volume."""
        start, stop = [0, 0, 0], list(shape)
        start[axis], stop[axis] = index, index + 1
        return cls(_triple(iter(start)), _triple(iter(stop)))

    @property
    def shape(self) -> Triple:
        """The box's length along each axis, 0 where `stop` is not after `start`."""
        return _triple(max(0, b - a) for a, b in self._edges())

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The index of this box in an array of the whole volume."""
        z, y, x = (slice(a, b) for a, b in self._edges())
        return z, y, x

    @property
    def is_empty(self) -> bool:
        """Whether the box holds no voxel."""
        return 0 in self.shape

    def expand(self, margin: Triple) -> "Box":
        """Return the box grown by `margin` on both sides of each axis."""
        return Box(
            _triple(a - m for a, m in zip(self.start, margin, strict=True)),
            _triple(b + m for b, m in zip(self.stop, margin, strict=True)),
        )

    def intersect(self, other: "Box") -> "Box":
        """Return the part that lies in both boxes; it may be empty."""
        return Box(
            _triple(max(a, b) for a, b in zip(self.start, other.start, strict=True)),
            _triple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True)),
        )

    def relative_to(self, other: "Box") -> "Box":
        """Return the box as seen from the start of another one."""
        return Box(
            _triple(a - o for a, o in zip(self.start, other.start, strict=True)),
            _triple(b - o for b, o in zip(self.stop, other.start, strict=True)),
        )

    def clip(self, shape: Triple) -> "Box":
        """Return the part that lies inside a volume of this shape."""
        return self.intersect(Box.whole(shape))

    def _edges(self) -> Iterator[tuple[int, int]]:
        return zip(self.start, self.stop, strict=True)


@dataclass(frozen=True, slots=True)
class Tile:
    """One step of a prediction: what is read, what is written, how far it is."""

    read: Box
    """The voxels of the volume that the answer depends on."""
    write: Box
    """What is written: inside the volume, and in no other tile."""
    done: int
    total: int


def tiles(
    shape: Triple,
    *,
    tile: Triple,
    box: Box | None = None,
    reads: Callable[[Box], Box] | None = None,
) -> Iterator[Tile]:
    """Cut a volume, or one box of it, into tiles that each write at most `tile` voxels.

    The written boxes cover `box` exactly once and differ in size by at most one voxel
    an axis. `reads` returns what has to be read for a written box; without it, that
    is the box itself.
    """
    if min(tile) <= 0:
        raise UserError(
            "a tile has at least one voxel along each axis, got {tile}", tile=tile
        )
    target = Box.whole(shape) if box is None else box.clip(shape)
    if target.is_empty:
        return
    axes = zip(target.start, target.shape, tile, strict=True)
    boxes = list(product(*(_cuts(start, length, size) for start, length, size in axes)))
    for done, ((z, z1), (y, y1), (x, x1)) in enumerate(boxes, start=1):
        write = Box((z, y, x), (z1, y1, x1))
        yield Tile(reads(write) if reads else write, write, done, len(boxes))


def spread(shape: Triple, anisotropy: Sequence[float]) -> list[Box]:
    """Return a few boxes that are spread over a volume, about cubes; they lie apart."""
    side = _SIDE * prod(anisotropy) ** (1 / 3)
    sides = [
        max(1, min(size // _BOXES, round(side / step)))
        for size, step in zip(shape, anisotropy, strict=True)
    ]
    starts = [
        sorted({(2 * n + 1) * size // (2 * _BOXES) - long // 2 for n in range(_BOXES)})
        for size, long in zip(shape, sides, strict=True)
    ]
    dz, dy, dx = sides
    return [Box((z, y, x), (z + dz, y + dy, x + dx)) for z, y, x in product(*starts)]


_BOXES = 3  # along each axis
_SIDE = 24.0  # of a box, in voxels if they are cubes


def _cuts(start: int, length: int, size: int) -> list[tuple[int, int]]:
    count = -(-length // size)
    return list(pairwise(start + i * length // count for i in range(count + 1)))


def _triple(values: Iterator[int]) -> Triple:
    z, y, x = values
    return z, y, x
