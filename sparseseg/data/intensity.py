"""Grey values as the networks see them: one monotone curve a channel, fitted once.

Grey values that are calibrated, as Hounsfield units are, mean the same in all volumes.
All others belong to their volume: they are first brought to a scale that the volume
itself sets, by the same rule for each volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.on_disk import once
from sparseseg.data.source import Source
from sparseseg.errors import UserError

_SAMPLE = 600_000
_KNOTS = 129
_DARK = 0.01  # of the voxels are as dark as 0 of the volume's own scale, or darker
_BRIGHT = 0.995  # of what is brighter; beyond, brightness does not count
_PLANES = 48  # that are looked at for the scale
_PIXELS = 20_000  # in each of them

GreyRule = Literal["fixed", "volume"]
"""Whether grey values mean the same in all volumes, or belong to their volume."""


@dataclass(frozen=True, slots=True)
class GreyCurve:
    """A piecewise linear curve from a file's grey values to the network's."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, grey: NDArray[Any]) -> NDArray[np.float32]:
        """Return the network's values; what is not a number becomes the darkest."""
        if grey.dtype.kind in "iu" and grey.dtype.itemsize <= 2:
            found: NDArray[np.float32] = _table(self, grey.dtype)[grey]
            return found
        least, most = self.knots[0], self.knots[-1]
        filled = np.nan_to_num(grey, nan=least, posinf=most, neginf=least)
        mapped: NDArray[np.float32] = np.interp(filled, self.knots, self.values).astype(
            np.float32
        )
        return mapped

    def reaching(self, low: float, high: float) -> "GreyCurve":
        """Return the same curve with other ends of its values, which rise."""
        values = np.array(self.values)
        share = (values - values[0]) / (values[-1] - values[0])
        return replace(self, values=tuple(map(float, low + share * (high - low))))

    def straighter(self) -> "GreyCurve":
        """Return the curve half way to the straight line between the same ends."""
        knots, values = np.array(self.knots), np.array(self.values)
        line = np.interp(knots, knots[[0, -1]], values[[0, -1]])
        return replace(self, values=tuple(map(float, (values + line) / 2)))

    def on(self, scale: "GreyScale") -> "GreyCurve":
        """Return the curve for the grey values of a file, if it is one of a scale."""
        knots = scale.zero + np.array(self.knots) * scale.unit
        return replace(self, knots=tuple(map(float, knots)))


@lru_cache(maxsize=16)
def _table(curve: GreyCurve, kind: np.dtype[Any]) -> NDArray[np.float32]:
    """Return a curve at each value of a small integer type; negative ones from the end.

    To look a voxel up takes a thirtieth of the time of an interpolation.
    """
    size = kind.itemsize
    every = np.arange(256**size).astype(f"u{size}").view(kind.newbyteorder("="))
    found: NDArray[np.float32] = np.interp(every, curve.knots, curve.values).astype(
        np.float32
    )
    return found


@dataclass(frozen=True, slots=True)
class GreyScale:
    """The grey value of a file that is 0, and how much 1 is more."""

    zero: float
    unit: float

    def __call__(self, grey: NDArray[Any]) -> NDArray[np.float64]:
        """Return grey values on this scale."""
        return (grey.astype(np.float64) - self.zero) / self.unit


AS_STORED = GreyScale(0.0, 1.0)


def own_scale(array: Any, channel: int) -> GreyScale:
    """Return the scale that a channel of a volume (c, z, y, x) sets for itself.

    Its darkest grey values, which are padding where there is any, are 0; the mean of
    what is brighter is 1, however much is empty. A few planes are looked at, so that
    this is quick also for an array on disk.
    """
    sample = plane_sample(array, channel, planes=_PLANES)
    if not sample.size:
        return AS_STORED
    dark = float(np.quantile(sample, _DARK))
    rest = sample[sample > dark]
    if not rest.size:
        return AS_STORED  # of a single value, messages name it as it is
    bright = np.minimum(rest, np.quantile(rest, _BRIGHT)).mean()
    return GreyScale(dark, float(bright) - dark)


def plane_sample(array: Any, channel: int, *, planes: int) -> NDArray[np.float64]:
    """Return finite grey values of a few planes across z; no other plane is read."""
    rows = [row for row, _ in _few_planes(array, channel, planes)]
    values = np.concatenate(rows).astype(np.float64)
    return values[np.isfinite(values)]


def channel_of(array: Source, channel: int) -> NDArray[Any]:
    """Return one channel (z, y, x); of an array on disk, a part of a few planes."""
    if isinstance(array, np.ndarray):
        whole: NDArray[Any] = array[channel]
        return whole
    return np.stack([part for _, part in _few_planes(array, channel, _PLANES)])


_Thinned = tuple[NDArray[Any], NDArray[Any]]


def _few_planes(array: Any, channel: int, planes: int) -> list[_Thinned]:
    """Read a few planes, and return of each some pixels in a row, and a coarser plane."""

    def read() -> list[_Thinned]:
        places = _some(np.arange(array.shape[1]), planes)
        return [_thinned(array, channel, z) for z in places]

    return once(array, ("thinned", channel, planes), read)


def _thinned(array: Any, channel: int, z: int) -> _Thinned:
    plane = np.asarray(array[channel : channel + 1, z : z + 1, :, :])[0, 0]
    step = max(1, round((plane.size / _PIXELS) ** 0.5))
    row = plane.reshape(-1)[:: max(1, plane.size // _PIXELS)]
    # Copies, which do not keep all of the plane.
    return row.copy(), plane[::step, ::step].copy()


def painted_greys(
    array: Source, channel: int, painted: NDArray[np.uint8], values: Sequence[int]
) -> NDArray[Any]:
    """Return the grey values of a channel where some values are painted, in one row.

    Of an array on disk, only a few of the planes across z that have them are read, and
    of these the part round what is painted.
    """
    chosen = np.zeros(256, bool)
    chosen[list(values)] = True
    if isinstance(array, np.ndarray):
        found: NDArray[Any] = array[channel][chosen[painted]]
        return found
    there = [z for z, plane in enumerate(painted) if chosen[plane].any()]
    parts = [_members(array, channel, z, chosen[painted[z]]) for z in _some(there)]
    return np.concatenate(parts) if parts else np.zeros(0, array.dtype)


def _some(
    places: Sequence[int] | NDArray[np.intp], most: int = _PLANES
) -> NDArray[np.intp]:
    """Return a few of some planes, evenly, or all if they are few."""
    among = np.asarray(places, np.intp)
    if among.size <= most:
        return among
    some: NDArray[np.intp] = among[
        np.linspace(0, among.size - 1, most).round().astype(int)
    ]
    return some


def _members(
    array: Source, channel: int, z: int, member: NDArray[np.bool_]
) -> NDArray[Any]:
    """Read the grey values of some pixels of a plane, and what is between them."""
    y, x = (
        slice(int(places.min()), int(places.max()) + 1) for places in member.nonzero()
    )
    part: NDArray[Any] = array[channel : channel + 1, z : z + 1, y, x][0, 0]
    found: NDArray[Any] = part[member[y, x]]
    return found


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
    """Tell whether an option "ct", "range" or "auto" asks for a window of a CT."""
    return choice == "ct" or (choice == "auto" and all(map(is_ct, channels)))


def is_ct(channel: NDArray[Any]) -> bool:
    """Tell whether grey values are like Hounsfield units: from air, -1000, beyond water, 0."""
    low, high = float(channel.min()), float(channel.max())
    return -3100 < low < -500 and 0 < high < 5000


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
            "the image has the value {value:g} everywhere: "
            "choose the channel or file that shows the structures",
            value=finite[0],
        )
    return finite


def _evenly(channel: NDArray[Any], count: int) -> NDArray[np.float64]:
    # A prime stride falls into step with no row or plane.
    flat = channel.reshape(-1)
    stride = max(1, flat.size // count)
    stride += stride > 1 and stride % 2 == 0
    return flat[::stride].astype(np.float64)
