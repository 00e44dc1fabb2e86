"""The one job: a volume by a model, from the choice of the method to clean labels."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Tile
from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.looks import looks_of
from sparseseg.engine.output import Output, Workers
from sparseseg.engine.prediction import predict, predict_by, tune
from sparseseg.engine.predictor import Predictor
from sparseseg.engine.score.known import (
    Known,
    estimate_of,
    judged,
    judged_after,
    known_of,
)
from sparseseg.engine.signs import distances
from sparseseg.engine.unlike import unknown_classes, unlike, unlike_result
from sparseseg.errors import UserError
from sparseseg.evaluation.confidence import Confidence
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.language import say
from sparseseg.postprocessing import (
    Rule,
    check_rules,
    needs_probabilities,
    read_rules,
)
from sparseseg.progress import Method
from sparseseg.work import result_of, retold

Extra = Literal["uncertainty", "probabilities"]

# Of the memory of a process: for the interpreter with its libraries, and for each array
# of a volume's size at most.
BASE_BYTES = 700 * 2**20
VOLUME_SHARE = 0.1


class Segmenter(Predictor, Protocol):
    """What a model has to be to do the job: `sparseseg.engine.model.Model` is one."""

    table: ClassTable
    history: dict[str, Any]
    rules: tuple[str, ...]

    def cleaned(
        self, out: Output, rules: Sequence[Rule], volume: Volume
    ) -> NDArray[np.uint8]:
        """Return the labels of a prediction, cleaned up by rules."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is wanted of a segmentation, beside the model and the volume."""

    method: Method | None = None
    """None takes what did best on the slices that were left out of the training."""
    rules: tuple[str, ...] | None = None
    """What the labels are cleaned up with; None takes the rules of the model."""
    memory: int | None = None
    """How many bytes the process may take; None sets no limit."""
    box: Box | None = None
    """The part of the volume that is segmented; beyond it is background."""
    extras: frozenset[Extra] = frozenset()
    """What is wanted besides the labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A segmented volume, how it was made, and how good it is likely to be."""

    labels: NDArray[np.uint8]
    """0 for background, 1..254 for classes; axes z, y, x."""
    method: Method
    classes: tuple[int, ...]
    """What each of the probabilities is of: 0 for background."""
    expected: Mapping[int, float | None]
    """The Dice that the probabilities alone make expect of each class.

    It is before the rules where no slice is annotated. None stands for a class that was not
    predicted. Empty for a volume that is unlike those of the training.
    """
    estimate: DiceEstimate
    """How good the labels are between the annotated slices."""
    uncertainty: NDArray[np.float32] | None = None
    """Entropy over the classes as a share of the largest possible, 0..1."""
    probabilities: NDArray[np.float32] | None = None
    """(k, z, y, x), in the order of `classes`."""
    doubt: str = ""
    """Where the labels are unlike what was annotated, here or for the training, in a sentence."""


def segment(
    model: Segmenter,
    volume: Volume,
    job: Job | None = None,
    *,
    labels: SparseLabels | None = None,
    into: Output | None = None,
    workers: Workers | None = None,
) -> Generator[Tile, None, Segmentation]:
    """Segment a volume, yield each tile once it is written, and return the result.

    With the annotation of this volume as `labels` the result follows it. The arrays of
    `into`, if there are any, are written to; labels that rules have changed come with a
    last tile. The same model, volume, annotation and job give the same labels, whoever
    asks. `workers` answer the tiles where there is no annotation. Raises `UserError`, before
    anything is predicted, for a volume or for rules that do not fit the model.
    """
    job = job or Job()
    rules = checked_rules(model, volume, job)
    method = job.method or best_method(model, is_annotated=labels is not None)
    known = known_of(model.history, method, labels, is_part=job.box is not None)
    out = _arrays(model, volume, job, rules, into)
    out = judged(model.plan, volume, out, labels, known)
    before = model.precision, model.memory
    try:
        model.memory = None if job.memory is None else tile_memory(job.memory)
        if workers is not None:
            yield from predict_by(
                workers, model, volume, out, box=job.box, method=method
            )
        else:
            tune(model, volume)
            yield from predict(
                model, volume, out, labels=labels, box=job.box, method=method
            )
    finally:
        model.precision, model.memory = before
    cleaned = model.cleaned(out, rules, volume)
    if into is not None and rules:
        into.labels[...] = cleaned
        cleaned = into.labels
        yield _everything(volume)
    out = judged_after(rules, out, cleaned, model.plan.classes)
    made = _segmentation(model, job, out, cleaned, (method, known))
    if labels is not None and labels.slices():
        return replace(made, doubt=unknown_classes(model.plan.classes, labels))
    if job.box is not None:
        return made
    return _doubted(model, volume, made)


def _doubted(model: Segmenter, volume: Volume, made: Segmentation) -> Segmentation:
    """Say where a volume without slices is unlike what was learned from.

    There, nothing that was measured before says how good the labels are, and neither do
    the probabilities.
    """
    looks = looks_of(model.history)
    doubt = unlike_result(model.plan, looks, volume, made.labels, model.table)
    far = distances(model.plan, looks, volume, made.labels)
    if doubt or unlike(model.plan, looks, volume):
        why = say("the volume is unlike those that the model learned from")
    elif max(far.values(), default=0.0) > 1:
        why = say(
            "the {look} of the volume is unlike that of all volumes that the model "
            "learned from",
            look=max(far, key=lambda name: far[name]),
        )
    else:
        return made
    nothing = DiceEstimate(None, {}, say("no estimate: {why}", why=why))
    is_known = made.estimate.mean is not None
    estimate = nothing if is_known else made.estimate
    return replace(made, doubt=doubt, estimate=estimate, expected={})


def finished(
    work: Generator[Tile, None, Segmentation],
    tell: Callable[[Tile], object] = lambda _: None,
) -> Segmentation:
    """Let a job run to its end, tell of each tile, and return the result."""
    return result_of(retold(work, tell))


def best_method(model: Segmenter, *, is_annotated: bool) -> Method:
    """Return what did best where it could be measured.

    Without slices it is what the training of the model has chosen: the forests of older
    models do not find rare classes.
    """
    if not is_annotated:
        chosen = model.history.get("without_annotation")
        return (
            "forest"
            if chosen == "forest" and model.recipe.has_classifiers
            else "network"
        )
    score = model.history.get("held_out")
    if score is None:
        return "network"
    best: Method = score.get("best", "network")
    return best


def checked_rules(model: Segmenter, volume: Volume, job: Job) -> tuple[Rule, ...]:
    """Read the rules; raise `UserError` for one that does not fit classes or volume."""
    rules = read_rules(model.rules if job.rules is None else job.rules, model.table)
    try:
        check_rules(rules, volume.unit)
    except UserError as error:
        raise UserError(
            "{name}: {error}", name=volume.name or say("the volume"), error=error
        ) from error
    return rules


def tile_memory(memory: int) -> int:
    """Return what a tile may take, of the memory of the whole process in bytes."""
    return max(0, int((memory - BASE_BYTES) * (1 - 3 * VOLUME_SHARE)))


def _arrays(
    model: Segmenter,
    volume: Volume,
    job: Job,
    rules: tuple[Rule, ...],
    into: Output | None,
) -> Output:
    """Return arrays for all that is wanted, those that are given among them."""
    given = into or Output(np.zeros(volume.shape, np.uint8))
    uncertainty, probabilities = given.uncertainty, given.probabilities
    if uncertainty is None and "uncertainty" in job.extras:
        uncertainty = np.zeros(volume.shape, np.float32)
    wanted = "probabilities" in job.extras or needs_probabilities(rules)
    if probabilities is None and wanted:
        channels = (len(model.plan.outputs), *volume.shape)
        probabilities = np.zeros(channels, np.float32)
    if job.box is not None and probabilities is not None and 0 in model.plan.classes:
        probabilities[model.plan.classes.index(0)] = 1
    temperature = float(model.history.get("temperature", 1.0))
    return replace(
        given,
        uncertainty=uncertainty,
        probabilities=probabilities,
        confidence=Confidence(len(model.plan.outputs), temperature),
    )


def _segmentation(
    model: Segmenter,
    job: Job,
    out: Output,
    labels: NDArray[np.uint8],
    made_by: tuple[Method, Known],
) -> Segmentation:
    assert out.confidence is not None
    classes = model.plan.classes
    method, known = made_by
    expected = dict(zip(classes, out.confidence.dice, strict=True))
    is_wanted = "probabilities" in job.extras
    return Segmentation(
        labels=labels,
        method=method,
        classes=classes,
        expected={number: dice for number, dice in expected.items() if number},
        estimate=estimate_of(known, expected),
        uncertainty=out.uncertainty,
        probabilities=out.probabilities if is_wanted else None,
    )


def _everything(volume: Volume) -> Tile:
    z, y, x = volume.shape
    box = Box.whole((z, y, x))
    return Tile(box, box, 1, 1)
