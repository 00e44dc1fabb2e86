"""Grey values as a network wants them, by what is known of the whole channel."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sparseseg.recipes.pretrained.inference import Normaliser

_LEAST = 1e-8


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the normalisation of a channel may need."""

    least: np.float32
    most: np.float32
    mean: np.float32
    deviation: float

    @classmethod
    def of(cls, grey: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> Self:
        """Measure a channel; mean and deviation inside a mask, if there is one."""
        members = grey if mask is None else grey[mask]
        return cls(grey.min(), grey.max(), members.mean(), float(members.std()))


def normalised(
    grey: NDArray[np.float32], how: Normaliser, known: Statistics
) -> NDArray[np.float32]:
    """Normalise grey values of any part of a channel."""
    if how.kind == "ct":
        clipped = np.clip(grey, np.float32(how.low), np.float32(how.high))
        result: NDArray[np.float32] = (clipped - np.float32(how.mean)) / np.float32(
            max(how.deviation, _LEAST)
        )
    elif how.kind == "z-score":
        result = (grey - known.mean) / max(known.deviation, _LEAST)
    elif how.kind == "unit":
        extent = np.float32(max(float(known.most - known.least), _LEAST))
        result = (grey - known.least) / extent
    else:
        result = grey / np.float32(255) if how.kind == "rgb" else grey
    return result
