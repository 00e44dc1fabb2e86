"""How well one prediction agrees with its truth, away from what was annotated."""

from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError
from sparseseg.evaluation.overlap import (
    Labels,
    Mask,
    Table,
    Within,
    check_within,
    confusion,
    counts,
    members,
    overlap_scores,
)
from sparseseg.evaluation.surfaces import Spacing, surface_distances, surface_scores


class Pair(NamedTuple):
    """A prediction and its truth, with what is known of them; axes are z, y, x."""

    prediction: Labels
    truth: Labels
    spacing: Spacing | None = None
    annotation: NDArray[np.uint8] | None = None


def evaluate(
    prediction: Labels,
    truth: Labels,
    *,
    annotation: NDArray[np.uint8] | None = None,
    spacing: Spacing | None = None,
    tolerance: float | None = None,
    within: Within | None = None,
) -> dict[str, Any]:
    """Return the scores of each class, over the voxels that were not annotated.

    Arrays are z, y, x with 0 for background. A class in neither array is left out, one
    in only one of them has IoU and Dice 0; the means leave out the background.

    Parameters
    ----------
    prediction, truth
        Classes 0 to 254.
    annotation
        What was annotated (not 0 in it) is not scored.
    spacing
        The voxel size z, y, x: with it the distances between surfaces are measured.
    tolerance
        How far two surfaces may be apart to count as the same, in the unit of `spacing`.
    within
        The class that another class lies within, and whose scores count it as well:
        ``{2: 1}`` for a tumour, 2, in an organ, 1, as the challenges KiTS and LiTS do.

    Returns
    -------
    dict
        ``iou``, ``dice``: by class. ``mean_iou``, ``mean_dice``: of the classes; None
        where neither array has one.
        ``annotated``: the share of voxels that was not scored.
        ``voe``: the volumetric overlap error, 1 - IoU.
        ``rvd``: the relative volume difference (prediction - truth) / truth, above 0
        where too much was predicted; None for a class that the truth lacks.

        With `spacing`, of the distances from each surface voxel of a class to the
        nearest of the other array, both ways in one list: ``surface_distance``, their
        mean (ASSD), ``hausdorff95``, their 95th percentile, and
        ``max_surface_distance``; None where one array has no surface. Surface voxels
        are those of the class that share a face with anything else; the end of the
        volume is no surface. With `tolerance`, ``surface_dice``: the share of surface
        voxels that are at most so far from the other surface.

    Raises
    ------
    UserError
        For arrays that do not fit, and where no voxel is left to score.
    """
    pair = Pair(prediction, truth, spacing, annotation)
    return score(pair, tolerance=tolerance, within=within or {})[0]


def score(
    pair: Pair, *, tolerance: float | None, within: Within
) -> tuple[dict[str, Any], Table]:
    """Return what `evaluate` returns, and the table of voxels that it was made from."""
    _check_arrays(pair)
    _check_lengths(pair.spacing, tolerance)
    check_within(within)
    scored = _scored(pair)
    table = confusion(pair.prediction, pair.truth, scored)
    result = overlap_scores(counts(table, within))
    result["annotated"] = float(1 - scored.mean())
    if pair.spacing is not None:
        between = {
            number: surface_distances(
                pair.prediction,
                pair.truth,
                members(number, within),
                scored=scored,
                spacing=pair.spacing,
            )
            for number in result["iou"]
            if number > 0
        }
        result |= surface_scores(between, tolerance)
    return result, table


def check_truth(truth: NDArray[Any], *, annotation: NDArray[np.uint8]) -> None:
    """Raise `UserError` if nothing can be scored by this truth, before long work.

    As in `evaluate`, voxels that are labelled in the annotation do not count.
    """
    pair = Pair(np.zeros_like(truth), truth, None, annotation)
    _check_arrays(pair)
    _scored(pair)


def _check_arrays(pair: Pair) -> None:
    truth = pair.truth
    for name, array in (
        ("prediction", pair.prediction),
        ("annotation", pair.annotation),
    ):
        if array is not None and array.shape != truth.shape:
            raise UserError(
                "{name} has shape {shape}, truth has {truth_shape}",
                name=name,
                shape=array.shape,
                truth_shape=truth.shape,
            )
    for name, labels in (("prediction", pair.prediction), ("truth", truth)):
        if labels.dtype.kind not in "bui":
            raise UserError(
                "{name} must hold integers, got {dtype}", name=name, dtype=labels.dtype
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < BACKGROUND:
            raise UserError(
                "{name} must hold classes 0 to 254, got {min} to "
                "{max}: score classes, not instances; in a truth 0 is "
                "background and 255 means nothing",
                name=name,
                min=labels.min(),
                max=labels.max(),
            )


def _check_lengths(spacing: Spacing | None, tolerance: float | None) -> None:
    if spacing is not None and not all(isfinite(s) and s > 0 for s in spacing):
        raise UserError(
            "spacing must be above 0 along z, y and x, got {spacing}", spacing=spacing
        )
    if tolerance is not None and not 0 <= tolerance < float("inf"):
        raise UserError(
            "tolerance must be a distance, 0 or more, got {tolerance:g}",
            tolerance=tolerance,
        )
    if tolerance is not None and spacing is None:
        raise UserError(
            "a tolerance of {tolerance:g} needs the spacing: give both",
            tolerance=tolerance,
        )


def _scored(pair: Pair) -> Mask:
    if pair.annotation is None:
        scored = np.ones(pair.truth.shape, bool)
    else:
        scored = pair.annotation == UNLABELLED
    if not scored.any():
        raise UserError("every voxel was annotated: no voxel is left to score")
    return scored
