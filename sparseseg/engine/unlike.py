"""Where a volume is far from what a model was trained on, in words that say what to do."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.intensity import GreyCurve
from sparseseg.data.units import PIXEL, Spacing
from sparseseg.data.volume import Volume
from sparseseg.recipes import Plan

# Voxels that differ by less are met in training, by augmentation or by chance.
_FAR = 2.0
# Of the voxels, so many may be darker or brighter than all that was learned from.
_BEYOND = 0.2
_PLANES = 9
_MOST = 20_000  # voxels that are looked at in a plane


def unlike(plan: Plan, volume: Volume) -> str:
    """Say where a volume is far from what a model of this plan was trained on; else "".

    Voxel size and grey values are compared; of grey values a few planes are looked at.
    """
    name = volume.name or "the volume"
    remarks = [_voxels(plan, volume)]
    if volume.channels == plan.channels:
        remarks += [
            _grey(curve, _sample(volume, channel), _of(channel, plan))
            for channel, curve in enumerate(plan.curves)
        ]
    return "; also, ".join(f"{name} {words}" for words in remarks if words)


def _voxels(plan: Plan, volume: Volume) -> str:
    if plan.unit == PIXEL:
        return ""
    known = f"{_edges(plan.spacing)} {plan.unit}"
    if volume.unit == PIXEL:
        return (
            f"has no voxel size, and the model was trained on voxels of {known}: the "
            "prediction is only right if its voxels have the same size"
        )
    sides = volume.spacing_in(plan.unit)
    ratios = [a / b for a, b in zip(sides, plan.spacing, strict=True)]
    if max(*ratios, *(1 / ratio for ratio in ratios)) < _FAR:
        return ""
    return (
        f"has voxels of {_edges(sides)} {plan.unit}, and the model was trained on voxels "
        f"of {known}: resample it if the prediction is bad"
    )


def _grey(curve: GreyCurve, sample: NDArray[np.float64], where: str) -> str:
    """Compare grey values with a curve that follows those of the training.

    A curve of two knots is a window or a fixed range, and says nothing of them.
    """
    knots = curve.knots
    if len(knots) <= 2 or not sample.size:
        return ""
    beyond = np.mean((sample < knots[0]) | (sample > knots[-1]))
    dark, low, high, bright = np.quantile(sample, (0.001, 0.01, 0.99, 0.999))
    # Even of a nearly empty volume some voxels leave the first quarter.
    quarter = len(knots) // 4
    if beyond <= _BEYOND and dark <= knots[-1 - quarter] and bright >= knots[quarter]:
        return ""
    return (
        f"has grey values of {low:.4g} to {high:.4g}{where}, and the model was trained on "
        f"{knots[0]:.4g} to {knots[-1]:.4g}: bring them to the same scale, or annotate a "
        "slice of this volume and train on"
    )


def _sample(volume: Volume, channel: int) -> NDArray[np.float64]:
    """Return finite grey values of a few planes; of a volume on disk no other is read."""
    depth = volume.shape[0]
    planes = np.unique(np.linspace(0, depth - 1, _PLANES).round().astype(int))
    array: Any = volume.array
    parts = []
    for z in planes:
        plane = np.asarray(array[channel : channel + 1, z : z + 1, :, :]).reshape(-1)
        parts.append(plane[:: max(1, plane.size // _MOST)].astype(np.float64))
    values = np.concatenate(parts)
    return values[np.isfinite(values)]


def _of(channel: int, plan: Plan) -> str:
    return f" in channel {channel + 1}" if plan.channels > 1 else ""


def _edges(spacing: Spacing) -> str:
    return " x ".join(f"{side:g}" for side in spacing)
