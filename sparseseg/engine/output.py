"""The arrays that a prediction is written into, whole or part by part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Tile, Triple
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.evaluation.confidence import Confidence
from sparseseg.progress import Method


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Arrays of the shape of a volume, or of a box of it, that a prediction fills."""

    labels: NDArray[np.uint8]
    """0 for background, 1..254 for classes; axes z, y, x."""
    uncertainty: NDArray[Any] | None = None
    """Entropy as a share of the largest possible; float 0..1, or uint8 0..255."""
    probabilities: NDArray[np.float32] | None = None
    """(k, z, y, x), in the order of the model's outputs."""
    confidence: Confidence | None = None
    """Takes in every tile."""
    start: Triple = (0, 0, 0)
    """The voxel of the volume that is the first one of the arrays."""

    @property
    def wanted(self) -> "Wanted":
        """What these arrays hold, for parts of the same kind."""
        kind = None if self.uncertainty is None else self.uncertainty.dtype.str
        count = 0 if self.probabilities is None else len(self.probabilities)
        blank = None if self.confidence is None else self.confidence.blank()
        return Wanted(kind, count, blank)

    def check(self, volume: Volume) -> None:
        """Raise `UserError` unless the arrays have the shape of a volume."""
        if self.labels.shape != volume.shape:
            raise UserError(
                "the output has shape {shape}, the volume {volume_shape}: "
                "give arrays of the volume's shape",
                shape=self.labels.shape,
                volume_shape=volume.shape,
            )

    def write(
        self,
        box: Box,
        labels: NDArray[np.uint8],
        index: NDArray[np.intp],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Write a box: its labels, and for each voxel the output that was decided on.

        Labels and index are (z, y, x), probabilities (k, z, y, x).
        """
        where = self._index(box)
        self.labels[where] = labels
        if self.confidence is not None:
            self.confidence.add(probabilities, index, box)
        if self.probabilities is not None:
            self.probabilities[(slice(None), *where)] = probabilities
        if self.uncertainty is not None:
            share = _entropy(probabilities)
            whole = self.uncertainty.dtype.kind == "u"
            self.uncertainty[where] = np.round(share * 255) if whole else share

    def take(self, part: "Output") -> None:
        """Copy the arrays of a part; its confidence is left to the caller."""
        stop = tuple(a + n for a, n in zip(part.start, part.labels.shape, strict=True))
        where = self._index(Box(part.start, (stop[0], stop[1], stop[2])))
        self.labels[where] = part.labels
        if self.probabilities is not None:
            self.probabilities[(slice(None), *where)] = part.probabilities
        if self.uncertainty is not None:
            self.uncertainty[where] = part.uncertainty

    def _index(self, box: Box) -> tuple[slice, slice, slice]:
        edges = zip(box.start, box.stop, self.start, strict=True)
        z, y, x = (slice(a - first, b - first) for a, b, first in edges)
        return z, y, x


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a part of a prediction, small enough to be sent."""

    uncertainty: str | None
    """The type of its values; None if it is not wanted."""
    probabilities: int
    """Of how many outputs; 0 if they are not wanted."""
    confidence: Confidence | None
    """One that has taken in nothing."""
    method: Method = "network"
    """What answers, which needs no annotation."""
    factors: tuple[float, ...] = ()
    """By which outputs are multiplied, if they are."""

    def output(self, box: Box) -> Output:
        """Return arrays of zeros for a box."""
        shape = box.shape
        return Output(
            np.zeros(shape, np.uint8),
            None if self.uncertainty is None else np.zeros(shape, self.uncertainty),
            np.zeros((self.probabilities, *shape), np.float32)
            if self.probabilities
            else None,
            None if self.confidence is None else self.confidence.blank(),
            box.start,
        )


class Workers(Protocol):
    """Other processes that answer the tiles of one volume, without an annotation."""

    def answers(
        self, tiles: Sequence[Tile], wanted: Wanted
    ) -> Iterator[tuple[Tile, Output]]:
        """Yield each tile with its prediction, in any order."""
        ...


def _entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the entropy over the classes as a share of the largest, log k."""
    if len(probabilities) == 1:
        return np.zeros(probabilities.shape[1:], np.float32)
    surprise = -np.log(np.clip(probabilities, 1e-12, 1.0))
    share: NDArray[np.float32] = (probabilities * surprise).sum(0)
    relative: NDArray[np.float32] = share / np.float32(np.log(len(probabilities)))
    return relative.clip(0, 1)
