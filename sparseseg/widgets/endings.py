"""What is said when a training or a prediction has ended, and what to do next."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from sparseseg.data.units import PIXEL
from sparseseg.language import say, say_count, template
from sparseseg.progress import Ending
from sparseseg.session.events import Phase
from sparseseg.widgets.background import Background
from sparseseg.widgets.job_progress import duration

if TYPE_CHECKING:
    from sparseseg.classes import ClassTable
    from sparseseg.session.events import StepReport
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.seat import Seat

_THOUSAND = 1000
_SYMBOLS = {"um": "\N{MICRO SIGN}m"}


class Endings(QObject):
    """Say at the end of a training or of a prediction how it ended, in one message."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._phase = Phase.IDLE
        self._step: StepReport | None = None
        self._has_failed = False
        self._told = ""
        self._counting = Background("counting")
        self._counting.done.connect(self._show)
        desk.relay.step.connect(self._on_step)
        desk.relay.failed.connect(self._on_failed)
        desk.relay.phase.connect(self._on_phase)
        desk.whole_predictions.ended.connect(self._on_predicted)

    def close(self) -> None:
        """End the thread."""
        self._counting.close()

    def _on_step(self, step: "StepReport") -> None:
        self._step, self._has_failed = step, False

    def _on_failed(self, _words: str) -> None:
        self._has_failed = True

    def _on_phase(self, phase: Phase) -> None:
        before, self._phase = self._phase, phase
        if phase is Phase.PREPARING:
            self._step = None
        elif phase is Phase.IDLE and before in (Phase.TRAINING, Phase.PAUSED):
            self._end_training()

    def _end_training(self) -> None:
        if self._step is not None and self._desk.state.has_model:
            self._show(trained_words(self._step, has_failed=self._has_failed))

    def _on_predicted(self, seat: "Seat") -> None:
        table = self._desk.classes.table
        self._counting.start(partial(predicted_words, seat, table))

    def _show(self, words: str) -> None:
        """Show words in the place of those that told of the ending before."""
        self._messages.withdraw(self._told)
        self._told = words
        self._messages.note(words)


def trained_words(step: "StepReport", *, has_failed: bool) -> str:
    """Say how long a training went on, why it ended, and what to do next."""
    took = say(
        "after {duration}, {steps}",
        duration=duration(step.seconds),
        steps=say_count("{count:,} step", "{count:,} steps", step.step),
    )
    if has_failed:
        return say(
            "The training failed {took}. The model of that step is kept: press Train to "
            "go on with it.",
            took=took,
        )
    ended = say(_ENDED[step.ending or "stopped"], took=took)
    return f"{ended} {_NEXT}"


_ENDED: dict[Ending, str] = {
    "finished": template("The training has ended {took}: its time is over."),
    "known by heart": template(
        "The training has ended early, {took}: the model knows your slices by heart, and "
        "more steps would only lose. Another slice helps more than another training."
    ),
    "stopped": template("You stopped the training {took}."),
}
_NEXT = say(
    "Next: look at slices far from those you painted, correct them and train again; or "
    "press Predict volume."
)


def predicted_words(seat: "Seat", table: "ClassTable") -> str:
    """Say how much of each class was predicted in an image."""
    counts = np.bincount(seat.arrays.prediction.reshape(-1), minlength=256)
    voxel = float(np.prod(seat.volume.spacing))
    unit = seat.volume.unit
    cubic = f" {_SYMBOLS.get(unit, unit)}\N{SUPERSCRIPT THREE}"
    parts = [
        say("{counts:,} voxels of {name}", counts=counts[c.number], name=c.name)
        + ("" if unit == PIXEL else f" ({_number(counts[c.number] * voxel)}{cubic})")
        for c in table.classes
    ]
    return say(
        "{name!r} is predicted: {parts}.", name=seat.name, parts="; ".join(parts)
    )


def _number(value: float) -> str:
    """Return three digits that matter, and all that stand before the point."""
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.3g}"
