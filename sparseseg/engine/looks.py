"""How the volumes of a training look: what others are compared with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sparseseg.data.intensity import plane_sample
from sparseseg.data.on_disk import once
from sparseseg.data.orientation import axis_codes
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.recipes import Scene

SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_PLANES = 9
_KEY = "learned_from"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A volume of the training in a few numbers; grey values are those of its file."""

    orientation: str
    """Where the axes x, y, z lead to, such as RAS; empty if the file does not say."""
    quantiles: tuple[tuple[float, ...], ...]
    """Of the grey values of each channel, at `SHARES`."""
    medians: Mapping[int, tuple[float, ...]]
    """By annotation value, the median grey value of each channel."""
    foreground: float
    """The share of the annotated voxels that is of a class, 0..1."""
    detail: tuple[float, ...] = ()
    """Of each channel, see `detail_of`; empty in models of earlier versions."""


def record(history: dict[str, Any], scenes: Sequence[Scene]) -> None:
    """Write into the history of a model how the volumes look that it learns from."""
    looks = [asdict(look_of(scene)) for scene in scenes]
    # As a file has it: there are no tuples, and no numbers as names.
    history[_KEY] = json.loads(json.dumps(looks))


def looks_of(history: Mapping[str, Any]) -> tuple[Look, ...]:
    """Read what `record` wrote, nothing in older models.

    Raises `ValueError`, `TypeError` or `KeyError` for what it never writes.
    """
    return tuple(map(_read, history.get(_KEY, ())))


def look_of(scene: Scene) -> Look:
    """Measure a volume, and its annotated slices."""
    volume = scene.volume
    medians = _medians(scene)
    total = sum(scene.counts)
    classes = zip(scene.plan.classes, scene.counts, strict=True)
    inside = sum(count for number, count in classes if number)
    return Look(
        orientation=orientation(volume),
        quantiles=tuple(quantiles(volume, c) for c in range(volume.channels)),
        medians=medians,
        foreground=inside / total if total else 0.0,
        detail=detail_of(volume),
    )


def orientation(volume: Volume) -> str:
    """Return where the axes x, y, z of a volume lead to; "" if its file does not say."""
    return "" if volume.affine is None else "".join(axis_codes(volume.affine))


def quantiles(volume: Volume, channel: int) -> tuple[float, ...]:
    """Return quantiles of a few planes of a channel; none if no value is finite."""
    sample = plane_sample(volume.array, channel, planes=_PLANES)
    if not sample.size:
        return ()
    return tuple(map(float, np.quantile(sample, SHARES)))


def detail_of(volume: Volume) -> tuple[float, ...]:
    """Return for each channel which share of the variance within a plane is fine.

    That is what a blur by a voxel takes away, in a few planes across z: noise raises it,
    and a volume out of focus has less.
    """
    return once(volume.array, "detail", lambda: _detail_of(volume))


def _detail_of(volume: Volume) -> tuple[float, ...]:
    places = np.unique(np.linspace(0, volume.shape[0] - 1, _PLANES).round().astype(int))
    shares = []
    for channel in range(volume.channels):
        fine, whole = 0.0, 0.0
        for z in places:
            grey = np.asarray(volume.array[channel : channel + 1, z : z + 1, :, :])
            plane = grey.astype(np.float64).reshape(volume.shape[1:])
            plane = np.where(np.isfinite(plane), plane, 0.0)
            fine += float((plane - gaussian_filter(plane, 1.0)).var())
            whole += float(plane.var())
        shares.append(fine / whole if whole else 0.0)
    return tuple(shares)


def _medians(scene: Scene) -> dict[int, tuple[float, ...]]:
    """Return the median grey values of each output that is annotated."""
    parts: dict[int, list[NDArray[Any]]] = {}
    for plane in scene.planes:
        grey = _plane(scene.volume, plane.where)
        seen = np.isfinite(grey).all(0)
        for index, value in enumerate(scene.plan.outputs):
            member = grey[:, seen & (plane.target == index)]
            if member.size:
                parts.setdefault(value, []).append(member)
    return {
        value: tuple(map(float, np.median(np.concatenate(found, 1), axis=1)))
        for value, found in parts.items()
    }


def _plane(volume: Volume, where: AnnotatedSlice) -> NDArray[Any]:
    """Return the grey values (c, rows, columns) of a slice."""
    places = [slice(None)] * 3
    places[where.axis] = slice(where.index, where.index + 1)
    return np.asarray(volume.array[(slice(None), *places)]).squeeze(where.axis + 1)


def _read(data: Mapping[str, Any]) -> Look:
    medians = {int(value): _numbers(m) for value, m in data["medians"].items()}
    found = Look(
        orientation=str(data["orientation"]),
        quantiles=tuple(map(_numbers, data["quantiles"])),
        medians=medians,
        foreground=float(data["foreground"]),
        detail=_numbers(data.get("detail", ())),
    )
    if not all(len(part) in (0, len(SHARES)) for part in found.quantiles):
        raise ValueError("quantiles of other shares")
    return found


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    numbers = tuple(map(float, values))
    if not all(map(isfinite, numbers)):
        raise ValueError("a grey value that is no number")
    return numbers
