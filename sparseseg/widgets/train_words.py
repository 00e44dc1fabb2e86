"""What the train panel says, as one line each."""

from typing import TYPE_CHECKING

from sparseseg.events import Phase
from sparseseg.widgets.job_progress import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparseseg.events import ScoreReport, StepReport

_PHASES = {
    Phase.IDLE: "Not training. Two or three annotated slices are a good start.",
    Phase.PREPARING: "Preparing: the training process is starting.",
    Phase.TRAINING: "Training: the first numbers are on their way.",
    Phase.PAUSED: "Paused.",
    Phase.PREDICTING: "Predicting.",
    Phase.LOST: "The training process ended unexpectedly. Your annotation is safe.",
}

_SHOWN = {
    "unguided": (
        "Shown in the viewer: the network without guidance by your slices, which "
        "does better so far."
    ),
    "walker": "Shown in the viewer: the random walker, until the network beats it.",
    "network": "Shown in the viewer: the network, which beats interpolation.",
    "interpolation": (
        "Shown in the viewer: interpolation between your slices, until the network "
        "beats it."
    ),
}


def phase_words(phase: Phase) -> str:
    """Say what the session is doing."""
    return _PHASES[phase]


def score_words(scores: "Mapping[str, ScoreReport]") -> str:
    """Say the newest held-out score, and on what and when it was measured."""
    if not scores:
        return ""
    first, *rest = sorted(scores.values(), key=lambda s: s.method != s.shown)
    if first.mean_iou is None:
        return first.reason
    others = "".join(f"; {s.method} {s.mean_iou:.2f}" for s in rest)
    noun = "slice" if len(first.slices) == 1 else "slices"
    return (
        f"Held-out IoU {first.mean_iou:.2f} on {noun} {', '.join(first.slices)} "
        f"({first.method}{others}), {_when(first)}"
    )


def step_words(step: "StepReport | None") -> str:
    """Say how far training is now."""
    return "" if step is None else f"Now {_when(step)}, loss {step.loss:.3g}"


def shown_words(scores: "Mapping[str, ScoreReport]") -> str:
    """Say whose prediction the viewer shows."""
    newest = max(scores.values(), key=lambda s: s.seconds, default=None)
    return "" if newest is None else _SHOWN[newest.shown]


def _when(report: "StepReport | ScoreReport") -> str:
    return f"step {report.step}, {duration(report.seconds)}"
