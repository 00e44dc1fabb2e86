"""How well predictions of many volumes agree with their truths."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sparseseg.classes import BACKGROUND
from sparseseg.errors import UserError
from sparseseg.evaluation.case import Pair, score
from sparseseg.evaluation.overlap import (
    ByClass,
    Labels,
    Table,
    Within,
    counts,
    counts_of,
    mean_of_classes,
    overlap_scores,
)

Burden = tuple[float, float]
"""Of one case: in the prediction and in the truth."""


def evaluate_cases(
    cases: Iterable[Pair | tuple[Labels, Labels]],
    *,
    tolerance: float | None = None,
    within: Within | None = None,
    burden: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return the scores of many volumes: of each, their mean, and of all as one.

    Cases are taken one by one, so that a generator need hold only one in memory.

    Parameters
    ----------
    cases
        Pairs (prediction, truth), or (prediction, truth, spacing, annotation) where
        spacing or annotation may be None.
    tolerance, within
        As for `evaluate`.
    burden
        Tumour and organ: the burden of a case is the volume of the tumour over that of
        the organ with the tumour.

    Returns
    -------
    dict
        ``cases``: what `evaluate` returns of each.
        ``per_case``: each measure by class as the mean over cases; its ``dice`` is
        known as Dice per case. A class that is in neither truth nor prediction of a
        case is left out of that case, as is a measure that is None there.
        ``counted``: over how many cases each of these means goes.
        ``global``: IoU, Dice, VOE and RVD of all voxels as one volume (Dice global).
        ``burden``: its ``rmse``, the root of the mean squared error over the cases
        whose truth has the organ, how many were ``counted``, and ``prediction`` and
        ``truth`` of each of them. Where no organ was predicted, the burden is 0.

    Raises
    ------
    UserError
        As `evaluate` does, with the number of the case, from 1.
    """
    within = within or {}
    _check_burden(burden)
    results: list[dict[str, Any]] = []
    burdens: list[Burden] = []
    pooled: Table | None = None
    for number, case in enumerate(cases, start=1):
        result, table = _score(number, Pair(*case), tolerance, within)
        results.append(result)
        pooled = table if pooled is None else pooled + table
        burdens += _burdens(table, burden)
    if pooled is None:
        raise UserError("there is no case: give a prediction and its truth at least")
    told = {"cases": results, **_means(results)}
    told["global"] = overlap_scores(counts(pooled, within))
    return told | ({"burden": _burden_scores(burdens)} if burden else {})


def _check_burden(burden: tuple[int, int] | None) -> None:
    if burden is not None and not (
        all(0 < number < BACKGROUND for number in burden) and len(set(burden)) == 2
    ):
        raise UserError(
            "the burden is of a tumour and an organ, two classes of 1 to 254, "
            "got {tumour} and {organ}",
            tumour=burden[0],
            organ=burden[1],
        )


def _score(
    number: int, pair: Pair, tolerance: float | None, within: Within
) -> tuple[dict[str, Any], Table]:
    try:
        return score(pair, tolerance=tolerance, within=within)
    except UserError as error:
        raise UserError("case {number}: {error}", number=number, error=error) from error


def _means(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    measures = {
        name: None
        for result in results
        for name, value in result.items()
        if isinstance(value, dict)
    }
    per_case: dict[str, Any] = {}
    counted: dict[str, dict[int, int]] = {}
    for measure in measures:
        lists = _by_class([result.get(measure, {}) for result in results])
        per_case[measure] = {
            c: float(np.mean(values)) if values else None for c, values in lists.items()
        }
        counted[measure] = {c: len(values) for c, values in lists.items()}
    for measure in ("iou", "dice"):
        per_case[f"mean_{measure}"] = mean_of_classes(per_case[measure])
    return {"per_case": per_case, "counted": counted}


def _by_class(scores: Sequence[ByClass]) -> dict[int, list[float]]:
    numbers = sorted({number for of_case in scores for number in of_case})
    return {
        c: [value for of_case in scores if (value := of_case.get(c)) is not None]
        for c in numbers
    }


def _burdens(table: Table, pair: tuple[int, int] | None) -> list[Burden]:
    """Return the burden of a case, or nothing if it has no organ or none is asked."""
    if pair is None:
        return []
    tumour, organ = pair
    part, whole = counts_of(table, [tumour]), counts_of(table, [tumour, organ])
    if not whole.truth:
        return []
    predicted = part.prediction / whole.prediction if whole.prediction else 0.0
    return [(predicted, part.truth / whole.truth)]


def _burden_scores(burdens: Sequence[Burden]) -> dict[str, Any]:
    errors = [predicted - true for predicted, true in burdens]
    return {
        "rmse": float(np.sqrt(np.mean(np.square(errors)))) if errors else None,
        "counted": len(burdens),
        "prediction": [predicted for predicted, _ in burdens],
        "truth": [true for _, true in burdens],
    }
