"""Step 4: training, and how well it goes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from sparseseg.catalogue import PRETRAINED
from sparseseg.config import TrainSettings
from sparseseg.events import Phase
from sparseseg.session import POSSIBLE
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.curves import TrainingCurves
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.recipe_panel import RecipePanel
from sparseseg.widgets.text import text_label
from sparseseg.widgets.train_words import (
    phase_words,
    score_words,
    shown_words,
    step_words,
)

if TYPE_CHECKING:
    from sparseseg.events import Progress, ScoreReport, StepReport
    from sparseseg.session import Session
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.relay import Relay


class TrainPanel(QWidget):
    """Start, pause and stop training; show its curves and its held-out score."""

    models_wanted = Signal()

    def __init__(
        self,
        session: "Session",
        relay: "Relay",
        messages: "MessageArea",
    ) -> None:
        super().__init__()
        self._session = session
        self._messages = messages
        self._scores: dict[str, ScoreReport] = {}
        self._step: StepReport | None = None
        self._parent_id = ""
        self.recipe = RecipePanel()
        self.models = self._button(
            "Models\N{HORIZONTAL ELLIPSIS}", _MODELS, self.models_wanted.emit
        )
        self.from_nothing = self._button(
            "From nothing", _FROM_NOTHING, lambda: self.start_from("")
        )
        self.origin = text_label(role="hint")
        self.minutes = QSpinBox(suffix=" min")
        self.endless = QCheckBox("until I stop")
        self.train = self._button("Train", _TRAIN, self._train, role="primary")
        self.pause = self._button("Pause", _PAUSE, self._pause_or_resume)
        self.stop = self._button("Stop", _STOP, session.stop)
        self.restart = self._button("Restart", _RESTART, session.restart, "primary")
        self.status = text_label()
        self.shown = text_label(role="hint")
        self.progress = JobProgress()
        self.curves = TrainingCurves()
        self._build()
        self._connect(relay)
        self._show_phase(session.phase)

    def settings(self) -> TrainSettings:
        """Return what the form says."""
        minutes = None if self.endless.isChecked() else float(self.minutes.value())
        if self._parent_id:
            options = {} if self.recipe.isHidden() else self.recipe.options
            return TrainSettings(
                parent=self._parent_id, options=options, minutes=minutes
            )
        return TrainSettings(
            recipe=self.recipe.name, options=self.recipe.options, minutes=minutes
        )

    def start_from(self, model: str, recipe: str = "") -> None:
        """Let the next training start from a model by its id, or from nothing if ""."""
        self._parent_id = model
        is_pretrained = recipe == PRETRAINED.name
        self.recipe.show_pretrained(is_pretrained)
        self.recipe.setHidden(bool(model) and not is_pretrained)
        self.from_nothing.setVisible(bool(model))
        self.origin.setVisible(bool(model))
        self.origin.setText(
            f"Starts from {model}: classes of the same name keep what it knows of them."
        )

    def _button(
        self, text: str, tip: str, action: Callable[[], object], role: str = ""
    ) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages, role=role)

    def _build(self) -> None:
        self.minutes.setRange(1, 999)
        self.minutes.setValue(3)
        self.minutes.setToolTip("How long to train; you can stop earlier at any time")
        self.endless.setToolTip("Train without a limit until you press Stop")
        self.endless.toggled.connect(self.minutes.setDisabled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.recipe)
        layout.addWidget(self.origin)
        layout.addLayout(_row(self.models, self.from_nothing))
        layout.addLayout(_row(self.minutes, self.endless))
        layout.addLayout(_row(self.train, self.pause, self.stop))
        for widget in (
            self.restart,
            self.progress,
            self.status,
            self.shown,
            self.curves,
        ):
            layout.addWidget(widget)
        self.curves.hide()
        self.start_from("")

    def _connect(self, relay: "Relay") -> None:
        relay.phase.connect(self._show_phase)
        relay.step.connect(self._show_step)
        relay.score.connect(self._show_score)
        relay.progress.connect(self._show_progress)

    def _train(self) -> None:
        self._session.train(self.settings())

    def _pause_or_resume(self) -> None:
        if self._session.phase in POSSIBLE["resume"]:
            self._session.resume()
        else:
            self._session.pause()

    def _show_phase(self, phase: Phase) -> None:
        self.train.setEnabled(phase in POSSIBLE["train"])
        self.pause.setEnabled(phase in POSSIBLE["pause"] | POSSIBLE["resume"])
        self.pause.setText("Resume" if phase in POSSIBLE["resume"] else "Pause")
        self.stop.setEnabled(phase in POSSIBLE["stop"] - {Phase.IDLE})
        self.restart.setVisible(phase in POSSIBLE["restart"])
        if phase in (Phase.IDLE, Phase.LOST):
            self.progress.hide()
        if phase is Phase.PREPARING:
            self._forget()
        self._show_words(phase)

    def _forget(self) -> None:
        self._scores, self._step = {}, None
        self.curves.clear()
        self.curves.hide()

    def _show_step(self, report: "StepReport") -> None:
        self._step = report
        self.curves.show()
        self.curves.add_step(report)
        self._show_words(self._session.phase)

    def _show_score(self, report: "ScoreReport") -> None:
        self._scores[report.method] = report
        self.curves.add_score(report)
        self._show_words(self._session.phase)

    def _show_progress(self, progress: "Progress") -> None:
        if progress.job == "train":
            self.progress.show_progress(progress)

    def _show_words(self, phase: Phase) -> None:
        lines = (score_words(self._scores), step_words(self._step))
        words = "\n".join(line for line in lines if line)
        self.status.setText(words or phase_words(phase))
        self.shown.setText(shown_words(self._scores))
        scored = any(s.mean_iou is not None for s in self._scores.values())
        self.shown.setVisible(scored)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1)
    return row


_MODELS = "Pretrained models: predict with one, or start the training from it"
_FROM_NOTHING = "Let the next training follow a recipe, from fresh weights"
_TRAIN = "Learn from the annotated slices; what you paint meanwhile joins by itself"
_PAUSE = "Stop between two steps and keep everything; press again to go on"
_STOP = "End training and give the memory back; the model is kept"
_RESTART = "Start the training process again from the last snapshot of the model"
