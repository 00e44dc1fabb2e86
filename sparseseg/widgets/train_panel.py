"""Step 3: training, and how well it goes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from sparseseg.evaluation.live import with_slices
from sparseseg.language import say
from sparseseg.session import POSSIBLE
from sparseseg.session.events import Phase
from sparseseg.settings.cards import PRETRAINED
from sparseseg.settings.training import TrainSettings
from sparseseg.widgets.asking import may_lose_model
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.curves import TrainingCurves
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.past_scores import reports_of, step_of
from sparseseg.widgets.recipe_panel import RecipePanel
from sparseseg.widgets.repeating import agreement
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.score_plots import ScorePlots
from sparseseg.widgets.text import text_label
from sparseseg.widgets.train_words import (
    advice_words,
    agreement_words,
    all_scores,
    class_words,
    estimate_words,
    phase_words,
    score_words,
    shown_words,
    step_words,
)

if TYPE_CHECKING:
    from sparseseg.evaluation.estimate import DiceEstimate
    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.project.models import ProjectModel
    from sparseseg.session import SharedArrays
    from sparseseg.session.events import Progress, ScoreReport, StepReport
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.relay import Relay
    from sparseseg.widgets.state import State


class TrainPanel(QWidget):
    """Choose what to train; show the curves, and in a strip the score and the buttons.

    The strip is a widget of its own, for a place that never scrolls away.
    """

    models_wanted = Signal()

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        session = desk.session
        self._desk = desk
        self._session = session
        self._messages = messages
        self._trained_on: SharedArrays | None = None
        self._scores: dict[str, ScoreReport] = {}
        self._step: StepReport | None = None
        self._parent_id = ""
        self.recipe = RecipePanel()
        self.models = self._button(
            say("Models\N{HORIZONTAL ELLIPSIS}"), _MODELS, self.models_wanted.emit
        )
        self.from_nothing = self._button(
            say("From nothing"), _FROM_NOTHING, lambda: self.start_from("")
        )
        self.anew = self._button(say("New model"), _ANEW, self._forget_model)
        self.origin = text_label(role="hint")
        self.minutes = QSpinBox(suffix=say(" min"))
        self.endless, self.all_volumes = QCheckBox(say("until I stop")), _all_volumes()
        self.train = self._button(say("Train"), _TRAIN, self._train, role="primary")
        self.pause = self._button(say("Pause"), _PAUSE, self._pause_or_resume)
        self.stop = self._button(say("Stop"), _STOP, session.stop)
        self.restart = self._button(
            say("Restart"), _RESTART, session.restart, "primary"
        )
        self.status = text_label()
        self.advice = text_label(role="remark")
        self.strip = QWidget()
        self.shown = text_label(role="hint")
        self.progress = JobProgress()
        self.curves, self.plots = TrainingCurves(), ScorePlots()
        self._build()
        self._connect(desk.relay)
        self._show_phase(session.phase)
        self._show_state(desk.state)

    @property
    def estimate(self) -> "DiceEstimate | None":
        """How good the prediction of the visible volume is estimated to be, if it is."""
        seat = self._desk.link.seat
        if seat is None or seat.estimate is None:
            return None
        return with_slices(seat.estimate, seat.measured)

    @property
    def newest_step(self) -> "StepReport | None":
        """The last step of the training that is on, or was last."""
        return self._step

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
            say(
                "Starts from {model}: classes of the same name keep what it knows of them.",
                model=model,
            )
        )

    def _button(
        self, text: str, tip: str, action: Callable[[], object], role: str = ""
    ) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages, role=role)

    def _build(self) -> None:
        self.minutes.setRange(1, 999)
        self.minutes.setValue(3)
        self.minutes.setToolTip(
            say("How long to train; you can stop earlier at any time")
        )
        self.endless.setToolTip(say("Train without a limit until you press Stop"))
        self.endless.toggled.connect(self.minutes.setDisabled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.recipe)
        layout.addWidget(self.origin)
        layout.addLayout(row_of(self.models, self.from_nothing, self.anew))
        layout.addLayout(row_of(self.minutes, self.endless))
        layout.addWidget(self.all_volumes)
        layout.addWidget(self.shown)
        layout.addWidget(self.curves)
        layout.addWidget(self.plots)
        self.curves.hide()
        self._build_strip()
        self.start_from("")

    def _build_strip(self) -> None:
        self.strip.setProperty("role", "strip")
        self.strip.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QVBoxLayout(self.strip)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(4)
        for widget in (self.advice, self.status, self.progress):
            layout.addWidget(widget)
        layout.addLayout(row_of(self.train, self.restart, self.pause, self.stop))

    def _connect(self, relay: "Relay") -> None:
        relay.phase.connect(self._show_phase)
        self._desk.classes.changed.connect(self._show_names)
        self._desk.repeating.changed.connect(self._show_names)
        self._desk.state_changed.connect(self._show_state)
        self._desk.link.opened.connect(self._show_opened)
        self._desk.model_loaded.connect(self.forget)
        self._desk.project.shown.connect(self._show_model)
        self._desk.project.changed.connect(self._show_project)
        self._desk.project.models.curves = lambda: self.curves.history
        relay.step.connect(self._show_step)
        relay.score.connect(self._show_score)
        relay.estimate.connect(self._show_estimate)
        relay.progress.connect(self._show_progress)

    def _train(self) -> None:
        settings = self.settings()
        if self._session.replaces_model(settings) and not may_lose_model(
            self, self._desk, _BEFORE_TRAINING
        ):
            return
        self._trained_on = self._desk.link.open()
        others = self._desk.project.others() if self.all_volumes.isChecked() else None
        self._session.train(settings, others=others)

    def _forget_model(self) -> None:
        if may_lose_model(self, self._desk, _BEFORE_A_NEW_ONE):
            self._session.forget_model()
            self._desk.past.forget_current()
            self._forget()
            self._desk.look()

    def _pause_or_resume(self) -> None:
        if self._session.phase in POSSIBLE["resume"]:
            self._session.resume()
        else:
            self._session.pause()

    def _show_phase(self, phase: Phase) -> None:
        self.pause.setText(
            say("Resume") if phase in POSSIBLE["resume"] else say("Pause")
        )
        is_lost = phase in POSSIBLE["restart"]
        self.restart.setVisible(is_lost)
        self.train.setHidden(is_lost)
        if phase in (Phase.IDLE, Phase.LOST):
            self.progress.hide()
        if phase is Phase.PREPARING:
            self._forget()
        self._show_words(phase)

    def _show_state(self, state: "State") -> None:
        show_reason(self.train, _TRAIN, state.reason("train"))
        show_reason(self.pause, _PAUSE, state.reason("pause"))
        show_reason(self.stop, _STOP, state.reason("stop"))
        self.anew.setVisible(state.has_model)
        self.anew.setEnabled(state.phase is Phase.IDLE)
        self._show_words(state.phase)

    def _show_opened(self, _arrays: object) -> None:
        """Show score and curves beside the image that they are about only."""
        self.curves.setVisible(self._is_about_this and self._step is not None)
        self._show_plots()
        self._show_words(self._session.phase)

    @property
    def _is_about_this(self) -> bool:
        arrays = self._desk.link.arrays
        return self._trained_on is None or arrays is self._trained_on

    def forget(self) -> None:
        """Show no score and no curve: they are about a model that is not in use."""
        self._forget()
        self._show_words(self._session.phase)

    def _forget(self) -> None:
        self._scores, self._step = {}, None
        for seat in self._desk.link.seats:
            seat.forget_quality()
        self.curves.clear()
        self.curves.hide()
        self.plots.hide()

    def _show_project(self) -> None:
        self.all_volumes.setHidden(self._desk.project.others() is None)

    def _show_model(self, model: "ProjectModel") -> None:
        """Show the curves and scores of a model that a project has."""
        self._trained_on = self._desk.link.arrays
        self._scores = {report.method: report for report in reports_of(model.history)}
        if (seat := self._desk.link.seat) is not None:
            seat.estimate, seat.measured = model.estimate, ()
        self._step = step_of(model.history, model.curves)
        self.curves.restore(model.curves)
        self.curves.setVisible(self._step is not None)
        self._show_plots()
        self._show_words(self._session.phase)

    def _show_step(self, report: "StepReport") -> None:
        self._step = report
        self.curves.setVisible(self._is_about_this)
        self.curves.add_step(report)
        self._show_words(self._session.phase)

    def _show_score(self, report: "ScoreReport") -> None:
        self._scores[report.method] = report
        self.curves.add_score(report)
        self._show_words(self._session.phase)

    def count_in(self, score: "SliceScore") -> None:
        """Let a slice count that was completed after the prediction had been made."""
        seat, place = self._desk.link.seat, (score.axis, score.index)
        if seat is None:
            return
        others = [s for s in seat.measured if (s.axis, s.index) != place]
        seat.measured = (*others, score)
        self._show_words(self._session.phase)

    def _show_estimate(self, estimate: "DiceEstimate") -> None:
        if (seat := self._desk.link.at_work) is not None:
            seat.estimate, seat.measured = estimate, ()
        self._show_words(self._session.phase)
        self._show_plots()

    def _show_plots(self) -> None:
        models = self._desk.past.models
        earlier = [model.estimate for model in models if model.estimate is not None]
        self.plots.show_estimate(self.estimate, earlier)

    def _show_progress(self, progress: "Progress") -> None:
        if progress.job == "train":
            self.progress.show_progress(progress)

    def _show_names(self, _table: object = None) -> None:
        self._show_words(self._session.phase)

    def _show_words(self, phase: Phase) -> None:
        scores = self._scores if self._is_about_this else {}
        step = self._step if self._is_about_this else None
        table = self._desk.classes.table
        found = self.estimate
        held_out = (score_words(scores), class_words(scores, table))
        estimated = estimate_words(found, table)
        own = agreement_words(agreement(self._desk.repeating.scores))
        lines = (estimated, own) if estimated else held_out
        words = "\n".join(filter(None, (*lines, step_words(step))))
        first = self._desk.state.reason("train") if phase is Phase.IDLE else ""
        self.status.setText(words or first or phase_words(phase))
        details = (score_words(scores) if estimated else "", all_scores(scores, table))
        self.status.setToolTip("\n".join(filter(None, details)))
        self.advice.setText(advice := advice_words(scores))
        self.advice.setVisible(bool(advice))
        self.shown.setText(shown_words(scores))
        scored = any(s.mean_iou is not None for s in scores.values())
        self.shown.setVisible(scored)


def _all_volumes() -> QCheckBox:
    box = QCheckBox(say("all volumes of the project"))
    box.setToolTip(_ALL)
    box.setChecked(True)
    box.hide()
    return box


_BEFORE_TRAINING = say(
    "The model that you trained is not saved. Save it before you train a new one?"
)
_BEFORE_A_NEW_ONE = say(
    "The model that you trained is not saved. Save it before you start a new one?"
)
_ALL = say("Learn from all annotated volumes; else only from the one that is shown")
_MODELS = say("Pretrained models: predict with one, or start the training from it")
_FROM_NOTHING = say("Let the next training follow a recipe, from fresh weights")
_ANEW = say("Remove the current model: the next training starts from fresh weights")
_TRAIN = say(
    "Learn from the annotated slices; new strokes join the training by themselves"
)
_PAUSE = say("Stop between two steps and keep everything; press again to go on")
_STOP = say("End the training and free the memory; the model is kept")
_RESTART = say("Start the training process again from the last snapshot of the model")
