"""What the engine yields and what a session announces: small frozen values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from psygnal import Signal, SignalGroup

from sparseseg.tiling import Box

Method = Literal["network", "interpolation"]
"""What a prediction is made with; interpolation fills in between annotated slices."""

Job = Literal["train", "predict", "preview"]


@dataclass(frozen=True, slots=True)
class Score:
    """How both methods did on slices that training did not see.

    `network` and `interpolation` are what `sparseseg.evaluation.evaluate` returns, None
    where it was not measured; both are None if no slice could be held out. `slices`
    names the slices, for example ("z 50",).
    """

    step: int
    seconds: float
    network: Mapping[str, Any] | None
    interpolation: Mapping[str, Any] | None
    slices: tuple[str, ...]

    @property
    def best(self) -> Method:
        """The method to show: interpolation until the network has beaten it.

        Where interpolation was not measured, nothing speaks against the network.
        """
        if self.interpolation is None:
            return "network"
        if self.network is None:
            return "interpolation"
        won = self.network["mean_iou"] > self.interpolation["mean_iou"]
        return "network" if won else "interpolation"

    def reports(self) -> "Iterator[ScoreReport]":
        """Yield what a session announces: one report for each measured method."""
        measured: dict[Method, Mapping[str, Any] | None] = {
            "interpolation": self.interpolation,
            "network": self.network,
        }
        for method, measures in measured.items():
            if measures is not None:
                yield ScoreReport(
                    step=self.step,
                    seconds=self.seconds,
                    method=method,
                    mean_iou=measures["mean_iou"],
                    iou=dict(measures["iou"]),
                    slices=self.slices,
                    shown=self.best,
                )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of training; `done` (0..1) is None when training has no end."""

    step: int
    seconds: float
    loss: float
    done: float | None
    score: Score | None


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
    mean_iou: float
    iou: dict[int, float]
    slices: tuple[str, ...]
    shown: Method


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
    """What a session announces, always from one thread of its own."""

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
