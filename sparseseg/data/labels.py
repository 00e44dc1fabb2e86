"""What a person painted: its classes, its slices, and what changed since the last look."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.slices import AXES, AnnotatedSlice, Survey, survey
from sparseseg.errors import UserError
from sparseseg.language import say, say_count


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which slices carry labels and which are complete, recounted from the array."""

    slices: tuple[AnnotatedSlice, ...]
    share: float
    """The labelled voxels as a share of all."""
    counts: dict[int, int]
    """Voxels of each value but 0."""

    def labelled(self, axis: int) -> tuple[int, ...]:
        """Return the indices of the annotated slices across an axis."""
        return tuple(s.index for s in self.slices if s.axis == axis)

    def complete(self, axis: int) -> tuple[int, ...]:
        """Return the indices of the complete slices across an axis."""
        return tuple(s.index for s in self.slices if s.axis == axis and s.complete)

    def lines(self, table: ClassTable | None = None) -> list[str]:
        """Return the ledger in plain sentences, with the names of `table`."""
        return [*self._axis_lines(), *self._class_lines(table)]

    def _axis_lines(self) -> Iterator[str]:
        for axis, name in enumerate(AXES):
            labelled, complete = self.labelled(axis), self.complete(axis)
            where = f" ({_ranges(labelled)})" if labelled else ""
            yield say_count(
                "{name}: {count} slice{where}, {complete} complete",
                "{name}: {count} slices{where}, {complete} complete",
                len(labelled),
                name=name,
                where=where,
                complete=len(complete),
            )

    def _class_lines(self, table: ClassTable | None) -> Iterator[str]:
        yield say("labelled: {share:.2%} of the voxels", share=self.share)
        names = {c.number: c.name for c in table.classes} if table else {}
        names[BACKGROUND] = say("background")
        for number, voxels in self.counts.items():
            yield say(
                "{name}: {voxels} voxels",
                name=names.get(number, say("class {number}", number=number)),
                voxels=voxels,
            )


class SparseLabels:
    """An annotation that a person may be painting on: every answer is counted anew.

    Values are 0 for unlabelled, 1 to 254 for classes and 255 for background; axes
    z, y, x. Raises `UserError` for an array that is not 3-D uint8.
    """

    def __init__(
        self, array: NDArray[np.uint8], *, table: ClassTable | None = None
    ) -> None:
        if array.dtype != np.uint8 or array.ndim != 3 or array.size == 0:
            raise UserError(
                "an annotation is a uint8 array z, y, x, got {dtype} "
                "{shape}: read it with read_labels",
                dtype=array.dtype,
                shape=array.shape,
            )
        self._array = array
        self._table = table
        self._survey: Survey | None = None
        self._checksums = np.empty(len(array), np.int64)
        self.forget()

    @property
    def array(self) -> NDArray[np.uint8]:
        """The painted array itself, not a copy."""
        return self._array

    def check_fits(self, shape: tuple[int, ...]) -> None:
        """Raise `UserError` if the annotation has not the shape z, y, x of an image."""
        if self.shape != shape:
            raise UserError(
                "the annotation has shape {shape}, the image {volume_shape}: give "
                "the annotation of this image",
                shape=self.shape,
                volume_shape=shape,
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along z, y, x."""
        z, y, x = self._array.shape
        return z, y, x

    @property
    def table(self) -> ClassTable:
        """The class table that was given, or plain names for the classes present."""
        if self._table is None:
            return ClassTable.numbered(self.numbers())
        return self._table

    @property
    def has_names(self) -> bool:
        """Whether a class table was given."""
        return self._table is not None

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the classes that have a voxel, without background."""
        return tuple(number for number in self.counts() if number != BACKGROUND)

    def has_background(self) -> bool:
        """Return whether any voxel is labelled as background."""
        return BACKGROUND in self.counts()

    def counts(self) -> dict[int, int]:
        """Return the voxels of each value present but 0, by value."""
        totals: NDArray[np.intp] = np.zeros(256, np.intp)
        for plane in self._array:
            totals += np.bincount(plane[plane != UNLABELLED], minlength=256)
        return {int(value): int(totals[value]) for value in np.flatnonzero(totals)}

    def slices(self) -> tuple[AnnotatedSlice, ...]:
        """Return the slices a person annotated, by axis and index.

        The rule is told in `sparseseg.data.slices`.
        """
        self._survey = survey(self._array)
        return self._survey.slices

    def slice_values(self, which: AnnotatedSlice) -> NDArray[np.uint8]:
        """Return one slice's plane, with 0 where a label belongs to another slice.

        What belongs where was decided by the last call of `slices`.
        """
        seen = self._survey or survey(self._array)
        plane = self._array.take(which.index, axis=which.axis)
        members = seen.members(which.axis, which.index, plane != UNLABELLED)
        return np.where(members, plane, np.uint8(UNLABELLED))

    def ledger(self) -> Ledger:
        """Recount slices, voxels and classes."""
        counts = self.counts()
        share = sum(counts.values()) / self._array.size
        return Ledger(self.slices(), share, counts)

    def assume_unlabelled(self) -> None:
        """Count as changed what is labelled now, without reading the array."""
        self._checksums[:] = _checksum(np.zeros(self.shape[1:], np.uint8))

    def forget(self) -> None:
        """Count all planes as changed."""
        self._checksums[:] = -1

    def changed(self) -> tuple[int, ...]:
        """Return the z planes that changed since the last call; at first, all.

        A checksum a plane also finds what sends no event, such as an undo.
        """
        now = np.array([_checksum(plane) for plane in self._array])
        changed = np.flatnonzero(now != self._checksums)
        self._checksums = now
        return tuple(map(int, changed))

    @property
    def is_changed(self) -> bool:
        """Whether a plane differs from what the last call of `changed` saw."""
        pairs = zip(self._array, self._checksums, strict=True)
        return any(_checksum(plane) != known for plane, known in pairs)


def _checksum(plane: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(plane).data)


def _ranges(indices: tuple[int, ...]) -> str:
    """Return "3, 7-9, 12" for 3, 7, 8, 9, 12."""
    runs = groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0])
    return ", ".join(_range([index for _, index in run]) for _, run in runs)


def _range(run: list[int]) -> str:
    if len(run) < 3:
        return ", ".join(map(str, run))
    return f"{run[0]}-{run[-1]}"
