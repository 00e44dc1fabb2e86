"""What the train panel says, as one line each."""

import math
from typing import TYPE_CHECKING

from sparseseg.language import say, say_count
from sparseseg.progress import METHODS
from sparseseg.session.events import Phase
from sparseseg.widgets.job_progress import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sparseseg.classes import ClassTable
    from sparseseg.evaluation.estimate import DiceEstimate
    from sparseseg.session.events import ScoreReport, StepReport

_PHASES = {
    Phase.IDLE: say("Not training. Press Train to learn from your slices."),
    Phase.PREPARING: say("Preparing: the training process is starting."),
    Phase.TRAINING: say("Training: the first numbers are on their way."),
    Phase.PAUSED: say("Paused."),
    Phase.PREDICTING: say("Predicting."),
    Phase.LOST: say(
        "The training process ended unexpectedly. Your annotation is safe."
    ),
}

_MOST = 4

_SHOWN = {
    "unguided": say(
        "Shown in the viewer: the network without guidance by your slices, which "
        "does better so far."
    ),
    "forest": say(
        "Shown in the viewer: the mean of a random forest and of the network without "
        "guidance, which does better so far."
    ),
    "trees": say(
        "Shown in the viewer: a random forest, which does better so far than the network."
    ),
    "mixed": say(
        "Shown in the viewer: the mean of the network and of a random walker from your "
        "slices."
    ),
    "near": say(
        "Shown in the viewer: the mean of a random walker from your slices, which counts "
        "twice, and of a random forest."
    ),
    "walked": say(
        "Shown in the viewer: the mean of a random walker from your slices, which counts "
        "twice, and of the network."
    ),
    "walker": say(
        "Shown in the viewer: the random walker, until the network beats it."
    ),
    "network": say("Shown in the viewer: the network, which beats interpolation."),
    "interpolation": say(
        "Shown in the viewer: interpolation between your slices, until the network "
        "beats it."
    ),
    "classwise": say(
        "Shown in the viewer: each class by the answer that is best at it; hold the mouse "
        "over the score to see which."
    ),
}


def agreement_words(agreement: float | None) -> str:
    """Say how well a person repeats a slice; "" where that is not known."""
    if agreement is None:
        return ""
    return say(
        "You agree with yourself by {dice:.2f}: more cannot be expected.",
        dice=agreement,
    )


def phase_words(phase: Phase) -> str:
    """Say what the session is doing."""
    return _PHASES[phase]


def score_words(scores: "Mapping[str, ScoreReport]") -> str:
    """Say the newest held-out score, and on what and when it was measured."""
    if not scores:
        return ""
    first = _shown_first(scores)[0]
    if first.mean_iou is None:
        return first.reason
    return say_count(
        "Held-out IoU {mean_iou:.2f} on slice {slices} ({method}), {when}",
        "Held-out IoU {mean_iou:.2f} on slices {slices} ({method}), {when}",
        len(first.slices),
        mean_iou=first.mean_iou,
        slices=", ".join(first.slices),
        method=METHODS[first.method],
        when=_when(first),
    )


def estimate_words(estimate: "DiceEstimate | None", table: "ClassTable") -> str:
    """Say how good the prediction is between the slices, and the worst classes."""
    if estimate is None or estimate.mean is None:
        return ""
    names = {c.number: c.name for c in table.classes}
    known = [
        (found.dice, names.get(number, say("class {number}", number=number)))
        for number, found in estimate.classes.items()
        if found is not None
    ]
    parts = [f"{name} {dice:.2f}" for dice, name in sorted(known)[:_MOST]]
    more = [say("{count} more", count=len(known) - _MOST)] if len(known) > _MOST else []
    worst = ", ".join([*parts, *more]) if len(known) > 1 else ""
    first = say("Dice {estimate}", estimate=estimate)
    return "\n".join(filter(None, (first, worst, estimate.reason)))


def all_scores(scores: "Mapping[str, ScoreReport]", table: "ClassTable") -> str:
    """List the score of each answer, of each class of the one that is shown, and its method."""
    answers = [
        f"{METHODS[s.method]} {s.mean_iou:.2f}"
        for s in _shown_first(scores)
        if s.mean_iou is not None
    ]
    classes = class_words(scores, table, most=len(table.numbers))
    return "\n".join(filter(None, [*answers, classes, *_methods(scores, table)]))


def _methods(
    scores: "Mapping[str, ScoreReport]", table: "ClassTable"
) -> "Iterator[str]":
    """Say which method each class is taken from, where it is not the same for all."""
    by_class = _shown_first(scores)[0].by_class if scores else {}
    for one in table.classes:
        if one.number in by_class:
            yield f"{one.name}: {METHODS[by_class[one.number]]}"


def class_words(
    scores: "Mapping[str, ScoreReport]", table: "ClassTable", *, most: int = _MOST
) -> str:
    """Say the score of each class, the worst first and at most so many."""
    if not scores:
        return ""
    first = _shown_first(scores)[0]
    known = [
        (first.iou[c.number], c.name)
        for c in table.classes
        if not math.isnan(first.iou.get(c.number, math.nan))
    ]
    parts = [f"{name} {iou:.2f}" for iou, name in sorted(known)]
    more = [say("{count} more", count=len(parts) - most)] if len(parts) > most else []
    return ", ".join([*parts[:most], *more])


def advice_words(scores: "Mapping[str, ScoreReport]") -> str:
    """Say what to paint next, where that would help."""
    return next((s.advice for s in scores.values() if s.advice), "")


def step_words(step: "StepReport | None") -> str:
    """Say how far training is now."""
    if step is None:
        return ""
    return say("Now {when}, loss {loss:.3g}", when=_when(step), loss=step.loss)


def shown_words(scores: "Mapping[str, ScoreReport]") -> str:
    """Say whose prediction the viewer shows."""
    newest = max(scores.values(), key=lambda s: s.seconds, default=None)
    return "" if newest is None else _SHOWN[newest.shown]


def _shown_first(scores: "Mapping[str, ScoreReport]") -> "list[ScoreReport]":
    return sorted(scores.values(), key=lambda s: s.method != s.shown)


def _when(report: "StepReport | ScoreReport") -> str:
    return say(
        "step {step}, {duration}", step=report.step, duration=duration(report.seconds)
    )
