"""What the window works on, as one value, and what can be done with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sparseseg.language import say
from sparseseg.session import POSSIBLE
from sparseseg.session.events import Phase

Action = (
    Literal["annotate", "train", "pause", "stop", "predict", "save", "load"]
    | Literal["accept", "clean", "examine", "divide", "measure", "take"]
    | Literal["export"]
)


@dataclass(frozen=True, slots=True)
class State:
    """All that decides what a user can do now; made anew whenever a part changes."""

    image: str = ""
    """The name of the chosen image."""
    problem: str = ""
    """Why the chosen image cannot be worked on, or ""."""
    is_painted: bool = False
    working_on: str = ""
    """The name of another image that the session is at work on, or ""."""
    phase: Phase = Phase.IDLE
    has_model: bool = False
    is_saved: bool = True
    has_prediction: bool = False
    """Whether a part of the chosen image was predicted, at least."""
    is_predicted: bool = False
    """Whether all of it was."""
    has_proposal: bool = False
    has_objects: bool = False

    @property
    def is_worth_asking(self) -> bool:
        """Whether closing would lose a model that the user did not save."""
        return self.has_model and not self.is_saved

    def reason(self, action: Action) -> str:
        """Say why an action is not possible now, and what would make it so; else ""."""
        return next(filter(None, self._obstacles(action)), "")

    def _obstacles(self, action: Action) -> Iterator[str]:
        if action == "pause" or action == "stop":
            yield "" if self._is_busy_for(action) else say("Nothing is running.")
            return
        if action != "save":
            yield from self._about_image()
        if action == "train" and not self.is_painted:
            yield say(
                "Paint first: two or three slices with each class and background."
            )
        if action in ("predict", "save") and not self.has_model:
            yield say("There is no model yet: train or load one.")
        yield self._missing(action)
        yield self._not_now(action)

    def _missing(self, action: Action) -> str:
        """Say what has to be there for an action, and is not; else ""."""
        if action not in _NEEDS:
            return ""
        is_there, words = _NEEDS[action]
        return "" if is_there(self) else words

    def _about_image(self) -> Iterator[str]:
        if not self.image:
            yield say("Open an image first: drop a 3-D image onto the window.")
        yield self.problem
        if self.working_on:
            yield say(
                "sparseseg works on {working_on!r} now. Press Stop, or wait until "
                "that has ended, to change to {image!r}.",
                working_on=self.working_on,
                image=self.image,
            )

    def _is_busy_for(self, action: Literal["pause", "stop"]) -> bool:
        if action == "pause":
            return self.phase in POSSIBLE["pause"] | POSSIBLE["resume"]
        return self.phase in POSSIBLE["stop"] - {Phase.IDLE}

    def _not_now(self, action: Action) -> str:
        possible = _PHASES.get(action)
        return "" if possible is None or self.phase in possible else _BUSY[self.phase]


_NOT_PREDICTED = say("There is no prediction yet: press Predict volume first.")
_NEEDS: dict[Action, tuple[Callable[[State], bool], str]] = {
    "accept": (
        lambda state: state.has_prediction,
        say("Nothing is predicted yet: press Train, or load a model."),
    ),
    "clean": (lambda state: state.has_prediction, _NOT_PREDICTED),
    "divide": (lambda state: state.has_prediction, _NOT_PREDICTED),
    "export": (lambda state: state.is_predicted, _NOT_PREDICTED),
    "examine": (
        lambda state: state.is_predicted,
        say("Press Predict volume first: the prediction is looked through."),
    ),
    "measure": (
        lambda state: state.has_objects,
        say("There are no objects yet: press Find objects first."),
    ),
    "take": (
        lambda state: state.has_proposal,
        say("Nothing is proposed yet: press Propose first."),
    ),
}
_PHASES: dict[str, frozenset[Phase]] = {
    str(name): own for name, own in POSSIBLE.items()
}
_BUSY = {
    Phase.IDLE: "",
    Phase.PREPARING: say(
        "The training is being prepared: wait a moment, or press Stop."
    ),
    Phase.TRAINING: say("The training is running: wait for its end, or press Stop."),
    Phase.PAUSED: say("The training is paused: press Resume, or Stop."),
    Phase.PREDICTING: say(
        "The volume is being predicted: wait for the end, or press Stop."
    ),
    Phase.LOST: say("The training process has ended: press Restart."),
}
