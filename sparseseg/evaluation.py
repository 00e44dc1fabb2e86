"""How well a prediction agrees with a dense truth, away from what was annotated."""

from collections.abc import Callable
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError

Labels = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


def evaluate(
    prediction: Labels,
    truth: Labels,
    *,
    annotation: NDArray[np.uint8] | None = None,
    spacing: tuple[float, float, float] | None = None,
) -> dict[str, Any]:
    """Return IoU and Dice of each class, over the voxels that were not annotated.

    Arrays are z, y, x with 0 for background. A class in neither array is left out, one
    in only one of them counts 0; the means leave out the background. `annotated` is
    the share of voxels that was not scored. With `spacing`, `surface_distance` and
    `hausdorff95` are added: the mean and the 95th percentile of the distances between
    the two surfaces of a class, both ways, in the unit of `spacing`; None where one
    of them is missing.

    Raises `UserError` for arrays that do not fit, and where no voxel is left to score.
    """
    _check(prediction, truth, annotation)
    scored = _scored(truth, annotation)
    table = _confusion(prediction, truth, scored)
    iou = _by_class(table, _iou)
    dice = _by_class(table, _dice)
    result = {
        "iou": iou,
        "dice": dice,
        "mean_iou": _mean_of_classes(iou),
        "mean_dice": _mean_of_classes(dice),
        "annotated": float(1 - scored.mean()),
    }
    if spacing is not None:
        result |= _distances(prediction, truth, scored, spacing)
    return result


def _check(prediction: Labels, truth: Labels, annotation: Labels | None) -> None:
    for name, array in (("prediction", prediction), ("annotation", annotation)):
        if array is not None and array.shape != truth.shape:
            raise UserError(f"{name} has shape {array.shape}, truth has {truth.shape}")
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if labels.dtype.kind not in "bui":
            raise UserError(f"{name} must hold integers, got {labels.dtype}")
        if labels.size and not 0 <= labels.min() <= labels.max() < BACKGROUND:
            raise UserError(
                f"{name} must hold classes 0 to 254, got {labels.min()} to "
                f"{labels.max()}: score classes, not instances"
            )


def _scored(truth: Labels, annotation: Labels | None) -> Mask:
    if annotation is None:
        scored = np.ones(truth.shape, bool)
    else:
        scored = annotation == UNLABELLED
    if not scored.any():
        raise UserError("every voxel was annotated: there is none left to score")
    return scored


def _confusion(prediction: Labels, truth: Labels, scored: Mask) -> NDArray[np.intp]:
    """Count the scored voxels by class in truth (rows) and prediction (columns)."""
    size = 1 + max(int(prediction.max()), int(truth.max()))
    table: NDArray[np.intp] = np.zeros(size * size, np.intp)
    # Plane by plane, because bincount copies what it counts to 64 bits.
    for p, t, s in zip(prediction, truth, scored, strict=True):
        pairs = t[s].astype(np.intp) * size + p[s]
        table += np.bincount(pairs, minlength=size * size)
    return table.reshape(size, size)


def _by_class(
    table: NDArray[np.intp], score: Callable[[int, int], float]
) -> dict[int, float]:
    """Score the classes present by the voxels in both and those in either, summed."""
    total = table.sum(axis=0) + table.sum(axis=1)
    return {int(c): score(table[c, c], total[c]) for c in np.flatnonzero(total)}


def _iou(both: int, total: int) -> float:
    return float(both / (total - both))


def _dice(both: int, total: int) -> float:
    return float(2 * both / total)


def _mean_of_classes(scores: dict[int, float]) -> float:
    return float(np.mean([s for c, s in scores.items() if c > 0] or [0.0]))


def _distances(
    prediction: Labels,
    truth: Labels,
    scored: Mask,
    spacing: tuple[float, float, float],
) -> dict[str, dict[int, float | None]]:
    mean: dict[int, float | None] = {}
    worst: dict[int, float | None] = {}
    present = np.union1d(np.unique(prediction[scored]), np.unique(truth[scored]))
    for c in map(int, present[present > 0]):
        between = _between(prediction == c, truth == c, scored, spacing)
        mean[c] = float(between.mean()) if between.size else None
        worst[c] = float(np.percentile(between, 95)) if between.size else None
    return {"surface_distance": mean, "hausdorff95": worst}


def _between(
    a: Mask, b: Mask, scored: Mask, spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return how far each scored voxel of one surface is from the other, both ways."""
    surfaces = _surface(a), _surface(b)
    if not all(surface.any() for surface in surfaces):
        return np.empty(0, np.float32)
    # All nearest voxels lie in the box of both surfaces, which is often small.
    (box,) = ndimage.find_objects((surfaces[0] | surfaces[1]).view(np.uint8))
    in_a, in_b = (surface[box] for surface in surfaces)
    to_a, to_b = (edt.edt(~surface, anisotropy=spacing) for surface in (in_a, in_b))
    return np.concatenate([to_b[in_a & scored[box]], to_a[in_b & scored[box]]])


def _surface(mask: Mask) -> Mask:
    """Return the voxels with a face on another class; the volume's end is no face."""
    inside: Mask = ndimage.binary_erosion(mask, border_value=1)
    return mask & ~inside
