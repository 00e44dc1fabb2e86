"""What is known of a prediction before it is made, and what that makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.output import Output
from sparseseg.engine.score.evidence import (
    between,
    elsewhere_of,
    evidence_of,
    in_another_volume,
)
from sparseseg.evaluation.elsewhere import Elsewhere, estimate_elsewhere
from sparseseg.evaluation.estimate import DiceEstimate, Evidence, estimate
from sparseseg.language import say
from sparseseg.postprocessing import Rule
from sparseseg.progress import METHODS, Method
from sparseseg.recipes import Plan, Scene

Known = Evidence | Elsewhere | str
"""What is known of a prediction, or why nothing is."""


def known_of(
    history: Mapping[str, Any],
    method: Method,
    labels: SparseLabels | None,
    *,
    is_part: bool,
) -> Known:
    """Return what the history of a model says of a prediction by a method.

    `labels` is the annotation of the volume, if there is one; `is_part` says that not all
    of the volume is predicted.
    """
    found = evidence_of(history)
    if is_part:
        why = say("only a part of the volume is predicted")
    elif labels is None or not labels.slices():
        known = elsewhere_of(history)
        if known is not None and method == known.evidence.method:
            return known
        why = say(
            "no slice of this volume is annotated, and the model was not measured on volumes "
            "that it had not learned from"
        )
    elif found is None:
        why = say("the training of this model left no slices out in turn")
    elif found.method != method:
        why = say(
            "{method} was not measured on slices that were left out",
            method=METHODS[method],
        )
    else:
        return found
    return say("no estimate: {why}", why=why)


def judged(
    plan: Plan, volume: Volume, out: Output, labels: SparseLabels | None, known: Known
) -> Output:
    """Let what is known of the predictions of a model say how good this one may be."""
    if isinstance(known, Elsewhere):
        outputs = len(plan.outputs)
        found = in_another_volume(volume.shape, outputs, known)
        return replace(out, confidence=found)
    if labels is None or isinstance(known, str):
        return out
    scene = Scene.of(plan, volume, labels)
    return replace(out, confidence=between(scene, labels, known))


def judged_after(
    rules: Sequence[Rule],
    out: Output,
    cleaned: NDArray[np.uint8],
    classes: Sequence[int],
) -> Output:
    """Let the confidence be of the labels that rules have left."""
    if not rules or out.confidence is None:
        return out
    return replace(out, confidence=out.confidence.of_labels(cleaned, classes))


def estimate_of(known: Known, expected: Mapping[int, float | None]) -> DiceEstimate:
    """Return how good labels are, of which the probabilities expect a Dice of each class."""
    if isinstance(known, str):
        return DiceEstimate(None, {}, known)
    if isinstance(known, Elsewhere):
        return estimate_elsewhere(known, expected)
    return estimate(known, expected)
