"""What the engine yields and what a session announces: small frozen values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from psygnal import Signal, SignalGroup

from sparseseg.tiling import Box

Method = Literal["network", "unguided", "mixed", "walker", "interpolation"]
"""What a prediction is made with.

"network" follows the annotation of the volume, "unguided" is the same network that sees
the image alone; the walker spreads the annotation along the image, and interpolation
fills in between annotated slices. "mixed" is the mean of network and walker.
"""

METHODS: dict[Method, str] = {
    "network": "network",
    "unguided": "network without guidance",
    "mixed": "network and random walker",
    "walker": "random walker",
    "interpolation": "interpolation",
}
"""What each method is called; of equals the later one is shown, which is simpler."""

_LEAST = 0.1  # a mean IoU below tells nothing

Job = Literal["train", "predict", "preview"]


@dataclass(frozen=True, slots=True)
class Score:
    """How each method did on slices that it did not see.

    `measures` holds, by method, what `sparseseg.evaluation.evaluate` returns; it is empty
    where nothing could be measured, and `reason` says why in a sentence. `slices` names
    the slices, for example ("z 50",). `advice` says in a sentence what to paint next,
    where that would help. `default` is shown where nothing was measured. `allowance` is by
    how much what is learned is likely better than its measure.
    """

    step: int
    seconds: float
    measures: Mapping[Method, Mapping[str, Any]]
    slices: tuple[str, ...]
    reason: str = ""
    advice: str = ""
    default: Method = "network"
    allowance: float = 0.0

    @property
    def best(self) -> Method:
        """The method to show: the network has to beat the others.

        Where all fail, what is learned on one slice does not hold on another, so that the
        walker is shown, which goes by nearness.
        """
        if not self.measures:
            return self.default
        if "walker" in self.measures and self._all_fail:
            return "walker"
        best: Method = "network"
        for method in METHODS:
            if method in self.measures and not self._is_ahead(best, method):
                best = method
        return best

    @property
    def _all_fail(self) -> bool:
        return all(found["mean_iou"] < _LEAST for found in self.measures.values())

    def _is_ahead(self, method: Method, other: Method) -> bool:
        if method not in self.measures:
            return False
        own, others = (self._worth(m) for m in (method, other))
        return method == other or bool(own > others)

    def _worth(self, method: Method) -> float:
        allowed = 0.0 if method in ("walker", "interpolation") else self.allowance
        return float(self.measures[method]["mean_iou"]) + allowed

    def to_json(self) -> dict[str, Any]:
        """Return what a model remembers of it: plain lists, numbers and words."""
        return {
            "slices": list(self.slices),
            **{method: dict(measures) for method, measures in self.measures.items()},
            "best": self.best,
            "step": self.step,
            "reason": self.reason,
            "advice": self.advice,
        }

    def reports(self) -> "Iterator[ScoreReport]":
        """Yield what a session announces: one report for each measured method.

        Where nothing was measured it is one report without a score.
        """
        nothing: dict[str, Any] = {"mean_iou": None, "iou": {}}
        for method, measures in (self.measures or {self.best: nothing}).items():
            yield ScoreReport(
                step=self.step,
                seconds=self.seconds,
                method=method,
                mean_iou=measures["mean_iou"],
                iou=dict(measures["iou"]),
                slices=self.slices,
                shown=self.best,
                reason=self.reason,
                advice=self.advice,
            )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of training; `done` (0..1) is None when training has no end."""

    step: int
    seconds: float
    loss: float
    done: float | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class Preparing:
    """Work beside the steps: filters, fits, scores. `done` (0..1) is of this work."""

    done: float


class Phase(StrEnum):
    """What the training process of a session is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    TRAINING = "training"
    PAUSED = "paused"
    PREDICTING = "predicting"
    LOST = "lost"
    """The process died; nothing painted is lost."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step of training, as announced by a session: at most ten a second."""

    step: int
    seconds: float
    loss: float


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


class SessionEvents(SignalGroup):
    """What a session announces, always from one thread of its own.

    The one table of its events: what repeats them is made from it.
    """

    phase = Signal(Phase)
    step = Signal(StepReport)
    score = Signal(ScoreReport)
    progress = Signal(Progress)
    painted = Signal(Painted)
    depths = Signal(Depths)
    rules = Signal(Rules)
    failed = Signal(str)
    noted = Signal(str)
    saved = Signal(str)
