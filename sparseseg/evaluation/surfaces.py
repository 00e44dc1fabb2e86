"""How far two surfaces of a class are from each other.

The surface of a class is made of its own voxels: those with a face on anything else. The
end of the volume is no such face, for nobody knows how the class goes on beyond it. A
distance is taken between the centres of two such voxels, and each voxel counts as one,
whatever the area of its faces. All measures here are of the same distances: those from
each voxel of one surface to the nearest of the other, both ways, in one list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.evaluation.overlap import ByClass, Labels, Mask

Spacing = tuple[float, float, float]
Distances = NDArray[np.float32]

# Distances have 32 bits: a step of 0.3 mm must not lie beyond a tolerance of 0.3 mm.
_ROUNDING = 1e-5


def surface_scores(
    between: Mapping[int, Distances], tolerance: float | None
) -> dict[str, ByClass]:
    """Return the measures of the distances of each class.

    Where one surface is missing there is no distance, and none of the other surface is
    within the tolerance.
    """
    scores = {
        "surface_distance": {c: _finite(d, np.mean) for c, d in between.items()},
        "hausdorff95": {c: _finite(d, _percentile95) for c, d in between.items()},
        "max_surface_distance": {c: _finite(d, np.max) for c, d in between.items()},
    }
    if tolerance is not None:
        scores["surface_dice"] = {c: _near(d, tolerance) for c, d in between.items()}
    return scores


def surface_distances(
    prediction: Labels,
    truth: Labels,
    region: Sequence[int],
    *,
    scored: Mask,
    spacing: Spacing,
) -> Distances:
    """Return how far each scored voxel of one surface is from the other, both ways.

    Infinite, where there is no other.
    """
    a, b = _mask(prediction, region), _mask(truth, region)
    # All surface voxels and those beside them lie in a box that is often small.
    box = _grown((a | b).view(np.uint8))
    a, b, within = _surface(a[box]), _surface(b[box]), scored[box]
    to_a, to_b = _distance_to(a, spacing), _distance_to(b, spacing)
    return np.concatenate([to_b[a & within], to_a[b & within]])


def _mask(labels: Labels, region: Sequence[int]) -> Mask:
    mask: Mask = np.logical_or.reduce([labels == number for number in region])
    return mask


def _grown(mask: NDArray[np.uint8]) -> tuple[slice, ...]:
    (box,) = ndimage.find_objects(mask)
    return tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)


def _surface(mask: Mask) -> Mask:
    inside: Mask = ndimage.binary_erosion(mask, border_value=1)
    return mask & ~inside


def _distance_to(surface: Mask, spacing: Spacing) -> Distances:
    if not surface.any():
        return np.full(surface.shape, np.inf, np.float32)
    distance: Distances = edt.edt(np.ascontiguousarray(~surface), anisotropy=spacing)
    return distance


def _finite(between: Distances, measure: Callable[[Distances], Any]) -> float | None:
    if not between.size or not np.isfinite(between).all():
        return None
    return float(measure(between))


def _percentile95(between: Distances) -> Any:
    return np.percentile(between, 95)


def _near(between: Distances, tolerance: float) -> float | None:
    if not between.size:
        return None
    return float((between <= tolerance * (1 + _ROUNDING)).mean())
