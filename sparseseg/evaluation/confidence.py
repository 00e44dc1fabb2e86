"""How good a prediction is likely to be, told from its own probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.classes import UNLABELLED
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.matching import Nearest

_LEAST = 1e-7
_VOXELS, _OF_TILE = 2_000_000, 10_000  # of a large volume, and of each tile at least
_TEMPERATURES = np.geomspace(0.5, 8.0, 41)


class _KeptVoxels(NamedTuple):
    """How likely each class is at chosen voxels of a box."""

    box: Box
    chosen: NDArray[np.intp]
    likely: NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """The voxels that were not annotated, and how likely a class is there.

    It is small, and can be sent, where nothing is annotated.
    """

    calibration: Calibration
    nearest: Nearest
    annotation: NDArray[np.uint8] | None = None
    """(z, y, x), 0 where nothing was annotated; None if that is so everywhere."""

    def chosen(self, box: Box) -> NDArray[np.intp]:
        """Return the places in a box of such voxels.

        They are every n-th of a large volume, which costs little and says as much.
        """
        if self.annotation is None:
            free = np.arange(prod(box.shape))
        else:
            free = np.flatnonzero(self.annotation[box.slices] == UNLABELLED)
        size = prod(self.nearest.shape)
        step = min(size // _VOXELS, len(free) // _OF_TILE)
        # A copy: a view would keep all places of each tile in memory.
        return free[:: max(1, step)].copy()

    def likely(
        self, probabilities: NDArray[np.float32], box: Box, chosen: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the calibrated probabilities (k, n) of chosen voxels of a tile."""
        flat = probabilities.reshape(len(probabilities), -1)[:, chosen]
        return self.calibration(flat, self.nearest(box).reshape(-1)[chosen])


class Confidence:
    """Sums over tiles, from which the Dice of each output is estimated.

    If a voxel is of class k with probability q, the expected overlap of a prediction
    with the unknown truth is the sum of q over the voxels that were predicted as k, and
    the expected size of the truth is the sum of q over all. That holds as far as the
    probabilities are calibrated: `temperature` divides their logarithms (Guo et al.,
    ICML 2017), as it was fitted on held-out slices.
    """

    def __init__(
        self, outputs: int, temperature: float = 1.0, between: "Between | None" = None
    ) -> None:
        self._temperature = temperature
        self._between = between
        self._kept: list[_KeptVoxels] = []
        self._overlap = np.zeros(outputs)
        self._expected = np.zeros(outputs)
        self._predicted = np.zeros(outputs)

    def add(
        self,
        probabilities: NDArray[np.float32],
        index: NDArray[np.intp],
        box: Box | None = None,
    ) -> None:
        """Take in a tile: (k, z, y, x), and the output that each voxel was given.

        With the voxels between slices, `box` says where in the volume the tile lies.
        """
        if self._between is None or box is None:
            likely = tempered(probabilities, self._temperature)
        else:
            chosen = self._between.chosen(box)
            likely = self._between.likely(probabilities, box, chosen)
            index = index.reshape(-1)[chosen]
            self._kept.append(_KeptVoxels(box, chosen, likely.astype(np.float16)))
        self._take(likely, index)

    def of_labels(
        self, labels: NDArray[np.uint8], classes: Sequence[int]
    ) -> "Confidence":
        """Return what it would be of other labels (z, y, x) of the same voxels.

        `classes` are those of the outputs; a label of none of them is no class. It is the
        same one where nothing is known of voxels between slices.
        """
        if not self._kept:
            return self
        output = np.full(256, -1)
        output[list(classes)] = np.arange(len(classes))
        found = self.blank()
        for kept in self._kept:
            told = labels[kept.box.slices].reshape(-1)[kept.chosen]
            found._take(kept.likely.astype(np.float64), output[told])
        return found

    def _take(self, likely: NDArray[Any], index: NDArray[np.intp]) -> None:
        self._expected += likely.reshape(len(likely), -1).sum(1, dtype=np.float64)
        for output in np.unique(index[index >= 0]):
            members = index == output
            self._predicted[output] += np.count_nonzero(members)
            self._overlap[output] += likely[output][members].sum(dtype=np.float64)

    def blank(self) -> "Confidence":
        """Return one of the same kind that has taken in nothing."""
        return Confidence(len(self._overlap), self._temperature, self._between)

    @property
    def sums(self) -> list[list[float]]:
        """What was taken in, as plain numbers."""
        return [s.tolist() for s in (self._overlap, self._expected, self._predicted)]

    def restore(self, sums: list[list[float]]) -> None:
        """Take in what `sums` told of other tiles."""
        self._overlap, self._expected, self._predicted = (
            own + np.array(other)
            for own, other in zip(
                (self._overlap, self._expected, self._predicted), sums, strict=True
            )
        )

    @property
    def dice(self) -> list[float | None]:
        """The estimated Dice of each output; None where nothing was predicted."""
        sizes = self._predicted + self._expected
        return [
            float(2 * overlap / size) if count else None
            for overlap, size, count in zip(
                self._overlap, sizes, self._predicted, strict=True
            )
        ]


def tempered(probabilities: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Return probabilities (k, ...) whose logarithms were divided by a temperature."""
    if temperature == 1.0:
        return probabilities
    odds = np.maximum(probabilities, _LEAST) ** (1 / temperature)
    result: NDArray[Any] = odds / odds.sum(0)
    return result


def fitted_temperature(probabilities: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the temperature under which probabilities (k, n) tell the truth (n) best.

    The least negative log-likelihood of 41 temperatures from 0.5 to 8.
    """
    voxels = np.arange(len(truth))

    def cost(temperature: float) -> float:
        likely = tempered(probabilities, temperature)[truth, voxels]
        return float(-np.log(np.maximum(likely, _LEAST)).mean())

    return float(min(_TEMPERATURES, key=cost))
