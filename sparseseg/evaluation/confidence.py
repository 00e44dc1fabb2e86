"""How good a prediction is likely to be, told from its own probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.classes import UNLABELLED
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.matching import Nearest

_LEAST = 1e-7
_VOXELS = 200_000  # of a tile
_TEMPERATURES = np.geomspace(0.5, 8.0, 41)


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """The voxels that were not annotated, and how likely a class is there."""

    calibration: Calibration
    nearest: Nearest
    annotation: NDArray[np.uint8]
    """(z, y, x), 0 where nothing was annotated."""

    def likely(
        self, probabilities: NDArray[np.float32], index: NDArray[np.intp], box: Box
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return calibrated probabilities (k, n) and the outputs (n) of such voxels.

        They are every n-th of a large tile, which costs little and says as much.
        """
        free = np.flatnonzero(self.annotation[box.slices] == UNLABELLED)
        free = free[:: max(1, len(free) // _VOXELS)]
        flat = probabilities.reshape(len(probabilities), -1)[:, free]
        distances = self.nearest(box).reshape(-1)[free]
        return self.calibration(flat, distances), index.reshape(-1)[free]


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
            likely, index = self._between.likely(probabilities, index, box)
        self._expected += likely.reshape(len(likely), -1).sum(1, dtype=np.float64)
        for output in np.unique(index):
            members = index == output
            self._predicted[output] += np.count_nonzero(members)
            self._overlap[output] += likely[output][members].sum(dtype=np.float64)

    def blank(self) -> "Confidence":
        """Return one with the same temperature that has taken in nothing."""
        return Confidence(len(self._overlap), self._temperature)

    def merge(self, other: "Confidence") -> None:
        """Take in what another one has, of other tiles."""
        self.restore(other.sums)

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
