"""What a session announces: small frozen values, and the one table of its events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from psygnal import Signal, SignalGroup

from sparseseg.boxes import Box
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.language import say
from sparseseg.progress import Ending, Method, Score
from sparseseg.settings.exports import ExportFormat

Job = Literal["train", "predict", "preview"]


class Phase(StrEnum):
    """What the training process of a session is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    TRAINING = "training"
    PAUSED = "paused"
    PREDICTING = "predicting"
    LOST = "lost"
    """The process died; nothing painted is lost."""


PHASE_NAMES = {
    Phase.IDLE: say("idle"),
    Phase.PREPARING: say("preparing"),
    Phase.TRAINING: say("training"),
    Phase.PAUSED: say("paused"),
    Phase.PREDICTING: say("predicting"),
    Phase.LOST: say("lost"),
}
"""What a person is told of each phase."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step of training, as announced by a session: at most ten a second."""

    step: int
    seconds: float
    loss: float
    ending: Ending | None = None
    """Why it is the last one, if it is."""


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """How one method did on held-out slices, and which method is shown since."""

    step: int
    seconds: float
    method: Method
    mean_iou: float | None
    """None where no score can be given: `reason` says why."""
    iou: dict[int, float]
    """By class; 0 is the background."""
    slices: tuple[str, ...]
    shown: Method
    reason: str = ""
    """Why there is no score, in a sentence; empty where there is one."""
    advice: str = ""
    """What to paint next, in a sentence; empty where nothing is known to help."""
    by_class: Mapping[int, Method] = field(default_factory=dict)
    """Which method each class is taken from, where it is not the same for all."""


def score_reports(score: Score) -> Iterator[ScoreReport]:
    """Yield what a session announces of a score: one report for each measured method.

    Where nothing was measured it is one report without a score.
    """
    nothing: dict[str, Any] = {"mean_iou": None, "iou": {}}
    for method, measures in (score.measures or {score.best: nothing}).items():
        yield ScoreReport(
            step=score.step,
            seconds=score.seconds,
            method=method,
            mean_iou=measures["mean_iou"],
            iou=dict(measures["iou"]),
            slices=score.slices,
            shown=score.best,
            reason=score.reason,
            advice=score.advice,
            by_class=dict(score.by_class),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is (`done`, 0..1); `seconds_left` is None until it can be told."""

    job: Job
    done: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Painted:
    """The box of prediction and uncertainty that was written anew, and by what."""

    box: Box
    method: Method
    step: int


@dataclass(frozen=True, slots=True)
class Depths:
    """The depths that the model at hand can be pruned to, and the one in use."""

    available: tuple[int, ...]
    chosen: int | None
    """None predicts with the whole network."""
    parameters: tuple[int, ...] = ()
    """Of each depth."""
    held_out: tuple[float | None, ...] = ()
    """The mean Dice of each depth on held-out slices; None until it was measured."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The lines that predictions of the model at hand are cleaned up with."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exports:
    """Why the model at hand cannot be exported in some formats; the others are possible."""

    obstacles: Mapping[ExportFormat, str] = field(default_factory=dict)


class SessionEvents(SignalGroup):
    """What a session announces, always from one thread of its own.

    The one table of its events: what repeats them is made from it.
    """

    phase = Signal(Phase)
    step = Signal(StepReport)
    score = Signal(ScoreReport)
    estimate = Signal(DiceEstimate)
    progress = Signal(Progress)
    painted = Signal(Painted)
    depths = Signal(Depths)
    rules = Signal(Rules)
    exports = Signal(Exports)
    failed = Signal(str)
    noted = Signal(str)
    saved = Signal(str)
    copied = Signal(str)
    loaded = Signal(str)
