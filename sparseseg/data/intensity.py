"""Grey values as the networks see them: one monotone curve a channel, fitted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.errors import UserError

_SAMPLE = 600_000
_KNOTS = 129


@dataclass(frozen=True, slots=True)
class GreyCurve:
    """A piecewise linear curve from a file's grey values to the network's."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, grey: NDArray[Any]) -> NDArray[np.float32]:
        """Return the network's values; what is not a number becomes the darkest."""
        least, most = self.knots[0], self.knots[-1]
        filled = np.nan_to_num(grey, nan=least, posinf=most, neginf=least)
        mapped: NDArray[np.float32] = np.interp(filled, self.knots, self.values).astype(
            np.float32
        )
        return mapped


def equalising(channels: Sequence[NDArray[Any]], *, extent: float = 2.0) -> GreyCurve:
    """Fit the curve that spreads the quantiles of a channel evenly over +-extent.

    It needs no idea of the modality: air, fat and organs of a CT get contrast by how
    much of the volume they take, and outliers cost nothing. `channels` is one channel
    of each volume.
    """
    sample = _finite_sample(channels)
    knots, first = np.unique(
        np.quantile(sample, np.linspace(0, 1, _KNOTS)), return_index=True
    )
    values = np.linspace(-extent, extent, _KNOTS)[first]
    return _curve(knots, values)


def rescaling(channels: Sequence[NDArray[Any]]) -> GreyCurve:
    """Fit 0 to 1 between the 0.1 and 99.9 percentiles; what is beyond is clipped."""
    return _curve(_ends(_finite_sample(channels), 0.001), np.array([0.0, 1.0]))


def standardising(channels: Sequence[NDArray[Any]]) -> GreyCurve:
    """Fit mean 0 and deviation 1, with what is beyond the 0.5 and 99.5 percentiles cut.

    `channels` are samples of one channel; MSS U-Net and nnU-Net take the foreground.
    """
    sample = _finite_sample(channels)
    ends = _ends(sample, 0.005)
    inside = sample.clip(*ends)
    return _curve(ends, (ends - inside.mean()) / inside.std())


def spanning(channels: Sequence[NDArray[Any]], low: float, high: float) -> GreyCurve:
    """Fit low to high between the 0.5 and 99.5 percentiles; beyond is clipped."""
    return _curve(_ends(_finite_sample(channels), 0.005), np.array([low, high]))


def windowing(low: float, high: float, *, shift: float = 0.0) -> GreyCurve:
    """Return the curve that cuts grey values to low..high and subtracts `shift`."""
    ends = np.array([low, high])
    return _curve(ends, ends - shift)


def wants_window(channels: Sequence[NDArray[Any]], choice: str) -> bool:
    """Tell whether an option "ct", "range" or "auto" asks for a window of a CT.

    "auto" looks whether grey values are like Hounsfield units: air is about -1000.
    """
    return choice == "ct" or (choice == "auto" and all(map(_is_ct, channels)))


def _is_ct(channel: NDArray[Any]) -> bool:
    low, high = float(channel.min()), float(channel.max())
    return -3100 < low < -500 and high < 5000


def _ends(sample: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return two percentiles, or the extremes where nearly all values are one."""
    ends = np.quantile(sample, (share, 1 - share))
    return ends if ends[0] < ends[1] else np.array([sample.min(), sample.max()])


def _curve(knots: NDArray[Any], values: NDArray[Any]) -> GreyCurve:
    return GreyCurve(tuple(map(float, knots)), tuple(map(float, values)))


def _finite_sample(channels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Draw voxels evenly; raise `UserError` where there is nothing to learn from."""
    parts = [_evenly(channel, _SAMPLE // len(channels)) for channel in channels]
    sample = np.concatenate(parts)
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        raise UserError("the image holds no finite value: check how it was exported")
    if finite.min() == finite.max():
        raise UserError(
            f"the image has the value {finite[0]:g} everywhere: "
            "choose the channel or file that shows the structures"
        )
    return finite


def _evenly(channel: NDArray[Any], count: int) -> NDArray[np.float64]:
    # A prime stride falls into step with no row or plane.
    flat = channel.reshape(-1)
    stride = max(1, flat.size // count)
    stride += stride > 1 and stride % 2 == 0
    return flat[::stride].astype(np.float64)
