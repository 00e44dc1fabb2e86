"""What changed in an annotation, plane by plane, with what was there before."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Triple
from sparseseg.errors import UserError

Labels = NDArray[np.uint8]
_LEVEL = 6


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """A change within one plane: the box around it, and the values before and after.

    Only voxels that differ are changed, in both directions.
    """

    axis: int
    """0 for a plane across z, 1 across y, 2 across x."""
    box: Box
    """One voxel thick along `axis`."""
    old: Labels
    new: Labels

    @property
    def index(self) -> int:
        """Which plane across `axis` it is."""
        return self.box.start[self.axis]

    @property
    def voxels(self) -> int:
        """How many voxels differ."""
        return int(np.count_nonzero(self.old != self.new))

    @property
    def reversed(self) -> "Delta":
        """The change back."""
        return Delta(self.axis, self.box, self.new, self.old)

    def apply(self, annotation: Labels) -> None:
        """Write the new values into an annotation."""
        part = annotation[self.box.slices]
        np.copyto(part, self.new, where=self.old != self.new)

    def pack(self) -> bytes:
        """Return both sets of values, compressed."""
        return zlib.compress(self.old.tobytes() + self.new.tobytes(), _LEVEL)

    @classmethod
    def unpack(cls, axis: int, box: Box, packed: bytes, shape: Triple) -> "Delta":
        """Check and rebuild what `pack` gave, for an annotation of a shape.

        Raises `UserError` for a box outside the shape, and for values that do not fill it.
        """
        thickness = box.shape[axis] if axis in range(3) else 0
        if thickness != 1 or box.is_empty or box != box.clip(shape):
            raise UserError(
                "a change of {box} does not fit an annotation of {shape}",
                box=box,
                shape=shape,
            )
        values = unpacked(packed, 2 * prod(box.shape))
        old, new = values.reshape(2, *box.shape)
        return cls(axis, box, old, new)


def unpacked(packed: bytes, size: int) -> Labels:
    """Return exactly so many values; `UserError` where there are fewer or more."""
    reader = zlib.decompressobj()
    try:
        raw = reader.decompress(packed, size + 1)
    except zlib.error as error:
        raise UserError(
            "the compressed values are damaged ({error})", error=error
        ) from error
    if len(raw) != size:
        raise UserError(
            "{count} or more values are there, and {size} are needed",
            count=len(raw),
            size=size,
        )
    return np.frombuffer(raw, np.uint8)


def difference(before: Labels, after: Labels) -> list[Delta]:
    """Return the changes between two annotations of one shape, axes z, y, x.

    They are cut along the axis across which the fewest planes changed, as a stroke on a
    slice changes one plane of its own axis and many of the others. `after` may be painted
    on meanwhile: a change holds what was there when it was copied.
    """
    planes = [z for z in range(len(before)) if not np.array_equal(before[z], after[z])]
    if not planes:
        return []
    differs = np.stack([before[z] != after[z] for z in planes])
    touched = [_touched(differs, axis) for axis in range(3)]
    if not touched[0].size:  # it was painted back while it was compared
        return []
    axis = min(range(3), key=lambda which: touched[which].size)
    return [
        Delta(axis, box, before[box.slices].copy(), after[box.slices].copy())
        for box in _boxes(differs, planes, axis, touched[axis])
    ]


def _touched(differs: NDArray[np.bool_], axis: int) -> NDArray[np.intp]:
    others = tuple(other for other in range(3) if other != axis)
    return np.flatnonzero(differs.any(axis=others))


def _boxes(
    differs: NDArray[np.bool_],
    planes: Sequence[int],
    axis: int,
    indices: NDArray[np.intp],
) -> Iterator[Box]:
    """Yield the box around what differs in each plane across an axis.

    `differs` holds the z planes of an annotation that are named in `planes` only.
    """
    for index in map(int, indices):
        plane = differs.take([index], axis=axis)
        z, y, x = (_touched(plane, other) for other in range(3))
        first = [planes[int(z[0])], int(y[0]), int(x[0])]
        last = [planes[int(z[-1])], int(y[-1]), int(x[-1])]
        first[axis] = last[axis] = planes[index] if axis == 0 else index
        z0, y0, x0 = first
        z1, y1, x1 = last
        yield Box((z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1))
