"""How well objects agree with true ones: average precision and panoptic quality."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.errors import UserError

Instances = NDArray[np.integer[Any]]

PRECISION_AT = (0.5, 0.75)


def score_objects(found: Instances, truth: Instances) -> dict[str, Any]:
    """Return `ap50`, `ap75`, `pq`, and the numbers of objects `found` and `true`.

    Arrays are z, y, x; 0 is no object. Average precision at a threshold of IoU is
    TP / (TP + FP + FN), as in the Data Science Bowl 2018; panoptic quality is the sum of
    the IoU of pairs above 0.5, divided by TP + FP / 2 + FN / 2 (Kirillov et al. 2019).
    At 0.5 and above no object has two partners. Raises `UserError` for other shapes, and
    where neither has an object.
    """
    if found.shape != truth.shape:
        raise UserError(
            "the objects have shape {shape} and the true ones {truth_shape}: "
            "give those of the same volume",
            shape=found.shape,
            truth_shape=truth.shape,
        )
    ious, of_found, of_truth = _overlaps(found, truth)
    if not of_found + of_truth:
        raise UserError("neither the found nor the true labels hold an object")
    scores: dict[str, Any] = {"found": of_found, "true": of_truth}
    for limit in PRECISION_AT:
        hits = int((ious > limit).sum())
        scores[f"ap{limit * 100:.0f}"] = hits / (of_found + of_truth - hits)
    scores["pq"] = float(ious[ious > 0.5].sum()) / ((of_found + of_truth) / 2)
    return scores


def _overlaps(
    found: Instances, truth: Instances
) -> tuple[NDArray[np.float64], int, int]:
    """Return the IoU of all pairs that overlap, and how many objects each has."""
    pairs, counts = np.unique(
        np.stack([found.ravel(), truth.ravel()]), axis=1, return_counts=True
    )
    sizes = [_sizes(labels) for labels in (found, truth)]
    both = (pairs > 0).all(0)
    one, other = (
        np.array([own[int(n)] for n in numbers[both]], float)
        for own, numbers in zip(sizes, pairs, strict=True)
    )
    shared = counts[both].astype(float)
    return shared / (one + other - shared), len(sizes[0]), len(sizes[1])


def _sizes(labels: Instances) -> dict[int, int]:
    numbers, counts = np.unique(labels[labels > 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))
