"""What no annotated slice looks like: grey values and texture, as a few looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq
from scipy.ndimage import gaussian_filter

from sparseseg.evaluation.gain import CoarseGrid, Plane

_LOOKS = 64
_SAMPLES = 8000  # that the looks are found from
_SCALES = (1.0, 3.0)  # cells

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Which of 64 looks each cell of a coarse grid has."""

    grid: CoarseGrid
    numbers: NDArray[np.intp]
    """(z, y, x), by cell."""

    @classmethod
    def of(cls, image: NDArray[Any], grid: CoarseGrid) -> "Looks":
        """Find the looks of an image (c, z, y, x), always the same ones."""
        cells = image[np.ix_(np.arange(len(image)), *grid.cells)]
        features = _features(cells)
        rng = np.random.default_rng(0)
        drawn = rng.choice(features, min(len(features), _SAMPLES), replace=False)
        count = min(_LOOKS, len(np.unique(drawn, axis=0)))
        centres, _ = kmeans2(drawn, count, minit="++", seed=rng)
        numbers, _ = vq(features, centres)
        return cls(grid, numbers.reshape(cells.shape[1:]).astype(np.intp))

    def gains(self, known: Sequence[Plane]) -> dict[Plane, float]:
        """Return what each slice of the grid adds to the looks of the known ones.

        A look is worth its share of the volume times the root of how many annotated cells
        have it, so that the first ones add most.
        """
        total = np.bincount(self.numbers.reshape(-1), minlength=_LOOKS)
        share = total / total.sum()
        seen = np.zeros(_LOOKS)
        for plane in known:
            seen += self._counts(plane)
        return {
            (axis, int(index)): self._gain((axis, int(index)), share, seen)
            for axis, cells in enumerate(self.grid.cells)
            if self.grid.shape[axis] > 1
            for index in cells
            if (axis, int(index)) not in known
        }

    def _gain(self, plane: Plane, share: Any, seen: Any) -> float:
        more = np.sqrt(seen + self._counts(plane)) - np.sqrt(seen)
        return round(float(share @ more), 9)

    def _counts(self, plane: Plane) -> NDArray[np.intp]:
        axis, index = plane
        cell = int(np.abs(self.grid.cells[axis] - index).argmin())
        own = np.take(self.numbers, cell, axis).reshape(-1)
        return np.bincount(own, minlength=_LOOKS)


def _features(cells: NDArray[Any]) -> Floats:
    """Return grey values at two scales, and their spread, each of variance 1 (n, k)."""
    found: list[Floats] = []
    for channel in cells:
        grey = channel.astype(np.float32)
        for scale in _SCALES:
            mean = gaussian_filter(grey, scale)
            found.append(mean)
        spread = gaussian_filter(np.square(grey), scale) - np.square(mean)
        found.append(np.sqrt(np.maximum(spread, 0)))
    features = np.stack([part.reshape(-1) for part in found], axis=1)
    deviation = np.maximum(features.std(0), 1e-6)
    scaled: Floats = (features - features.mean(0)) / deviation
    return scaled
