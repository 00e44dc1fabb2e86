"""The dock: one column from the image to the prediction."""

import gc
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.session.events import PHASE_NAMES, Phase
from sparseseg.widgets.actions import PaintActions
from sparseseg.widgets.cheat_sheet import CheatSheet
from sparseseg.widgets.class_keys import ClassKeys
from sparseseg.widgets.class_panel import ClassPanel
from sparseseg.widgets.clean_panel import CleanPanel
from sparseseg.widgets.closing import CloseGuard
from sparseseg.widgets.column import Column
from sparseseg.widgets.desk import Desk
from sparseseg.widgets.doubt_panel import DoubtPanel
from sparseseg.widgets.endings import Endings
from sparseseg.widgets.export_panel import ExportPanel
from sparseseg.widgets.image_panel import ImagePanel
from sparseseg.widgets.keys import register, unregister
from sparseseg.widgets.lock_panel import LockPanel
from sparseseg.widgets.messages import MessageArea
from sparseseg.widgets.model_picker import ModelPicker
from sparseseg.widgets.objects_panel import ObjectsPanel
from sparseseg.widgets.offers import Offers
from sparseseg.widgets.paint_panel import PaintPanel
from sparseseg.widgets.past_panel import PastPanel
from sparseseg.widgets.planes import ThreePlanes
from sparseseg.widgets.preview import PreviewWatch
from sparseseg.widgets.project_panel import ProjectPanel
from sparseseg.widgets.proposal_panel import ProposalPanel
from sparseseg.widgets.repeat_panel import RepeatPanel
from sparseseg.widgets.result_panel import ResultPanel
from sparseseg.widgets.same_view import LAYOUT_MS, SameView
from sparseseg.widgets.section import Section
from sparseseg.widgets.slice_score_words import slice_score_words
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.style import style_sheet
from sparseseg.widgets.tabs import join_tabs, mark_as_dock
from sparseseg.widgets.train_panel import TrainPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtCore import QSize
    from qtpy.QtGui import QCloseEvent, QShowEvent

    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.session import Session
    from sparseseg.widgets.state import State

_WIDTH = 340
_IMAGE, _ANNOTATE, _TRAIN = range(3)
_LONGEST = 24
_LOOK_MS = 1_000
_SAVE_MS = 10_000


class SegmentationDock(QWidget):
    """Annotate a few slices, train, and see the whole volume segmented."""

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        *,
        session: "Session | None" = None,
    ) -> None:
        super().__init__()
        mark_as_dock(self)
        self.desk = Desk(viewer, session)
        self.messages = MessageArea()
        self.picker: ModelPicker | None = None
        # Of an empty canvas nothing is to be seen again: what a project shows stays so.
        self._same: SameView | None = SameView(viewer) if viewer.layers else None
        self._timers: list[QTimer] = []
        self._was_shown = False
        self._endings = Endings(self.desk, self.messages)
        self._make_panels()
        self._make_tools()
        self._build()
        self._connect()
        self.guard = CloseGuard(self)
        self.offers = Offers(self.desk, self.messages)
        self.offers.begin()
        self._show_state(self.desk.state)
        self._show_theme()

    def sizeHint(self) -> "QSize":
        """Ask for the width the column is drawn for."""
        hint = super().sizeHint()
        hint.setWidth(_WIDTH)
        return hint

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the session with its dock."""
        for timer in self._timers:
            timer.stop()
        if self.picker is not None:
            self.picker.close()
        self.result.saving.close()
        self.clean.close()
        self.objects.close()
        self.export.close()
        self.classes.close()
        self.proposals.close()
        unregister(self.actions)
        self.planes.hide()
        self.train.recipe.close()
        self._endings.close()
        self.offers.close()
        self.desk.close()
        super().closeEvent(event)

    def showEvent(self, event: "QShowEvent") -> None:
        """Watch the window that the dock is shown in."""
        super().showEvent(event)
        self._keep_view()
        self.guard.follow()
        join_tabs(self)
        if not self._was_shown:
            self._was_shown = True
            # Python looks through all that has come since the last time, which takes a
            # fifth of a second here: now, where it is expected, and not in a stroke.
            gc.collect()
            self.desk.session.get_ready()

    def _keep_view(self) -> None:
        """Let the canvas show as much as before the column took room from it."""
        same, self._same = self._same, None
        if same is not None:
            # Qt does not hold the object of a method.
            QTimer.singleShot(LAYOUT_MS, lambda: same.keep())

    def changeEvent(self, event: QEvent) -> None:
        """Close when napari takes the dock out of its window.

        napari then only unparents the widget and leaves it alive.
        """
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close()
            self.deleteLater()

    def _make_panels(self) -> None:
        desk, messages = self.desk, self.messages
        self.project = ProjectPanel(desk, messages)
        self.image = ImagePanel(desk.link, desk.background)
        self.classes = ClassPanel(
            desk.viewer,
            desk.link,
            desk.adoption,
            desk.classes,
            desk.painter,
            messages,
        )
        self.locks = LockPanel(desk, messages)
        self.proposals = ProposalPanel(desk, messages)
        self.paint = PaintPanel(desk, messages)
        self.repeat = RepeatPanel(desk, messages)
        self.train = TrainPanel(desk, messages)
        self.clean = CleanPanel(desk, messages)
        self.objects = ObjectsPanel(desk, messages)
        self.export = ExportPanel(desk, messages)
        self.planes = ThreePlanes(desk)
        self.result = ResultPanel(desk, messages)
        self.doubts = DoubtPanel(desk, messages)
        self.past = PastPanel(desk, messages)

    def _make_tools(self) -> None:
        """Make what has no place in the column: previews, keys and their list."""
        desk = self.desk
        PreviewWatch(desk, self.planes, parent=self)
        self.keys = ClassKeys(self, desk.classes, desk.painter, self.messages)
        self.actions = PaintActions(
            desk, self.proposals.proposals, self.planes, self.messages
        )
        register(self.actions)
        self.cheat_sheet = CheatSheet(self, desk.classes)

    def _build(self) -> None:
        self.sections = self._make_sections()
        self.column = Column(self.sections)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.messages)
        layout.addWidget(self.project)
        layout.addWidget(self.column, 1)
        layout.addWidget(self.train.strip)
        self.setMinimumWidth(_WIDTH)

    def _make_sections(self) -> list[Section]:
        bodies = {
            say("Image"): (self.image,),
            say("Annotate"): (
                self.classes,
                self.locks,
                self.paint,
                self.repeat,
                self.proposals,
            ),
            say("Train"): (self.train,),
            say("Result"): (
                self.result,
                self.doubts,
                self.past,
                self.clean,
                self.objects,
                self.export,
            ),
        }
        return [
            Section(number, title, *panels)
            for number, (title, panels) in enumerate(bodies.items(), 1)
        ]

    def show_models(self) -> None:
        """Show the models that there are, in a window of their own."""
        if self.picker is None:
            self.picker = ModelPicker(self.desk, self)
            self.picker.parent_chosen.connect(self.train.start_from)
        self.picker.refresh()
        self.picker.show()
        self.picker.raise_()

    def _connect(self) -> None:
        self.train.models_wanted.connect(self.show_models)
        relay, link = self.desk.relay, self.desk.link
        self.desk.state_changed.connect(self._show_state)
        self.desk.project.changed.connect(self._show_locked)
        self.desk.suggestions.changed.connect(self.paint.ledger.show_suggested)
        scores = self.desk.slice_scores
        scores.changed.connect(self.paint.ledger.show_scores)
        scores.scored.connect(self._tell_score)
        self.paint.planes.clicked.connect(self._turn_planes)
        self.planes.shown.connect(self.paint.planes.setChecked)
        link.opened.connect(self._fold_image)
        self.desk.painter.view_changed.connect(self._show_view)
        relay.failed.connect(self.messages.error)
        self.desk.writing.failed.connect(self.messages.error)
        relay.phase.connect(self._on_phase)
        relay.noted.connect(self.messages.note)
        link.warned.connect(self.messages.warning)
        self.desk.viewer.events.theme.connect(self._show_theme)
        self._every(_LOOK_MS, self._look)
        self._every(_SAVE_MS, self._save)
        # `destroyed` comes where no close event does: when the whole window goes.
        self.destroyed.connect(self.desk.close)

    def _every(self, interval: int, slot: "Callable[[], None]") -> None:
        timer = QTimer(self, interval=interval)
        timer.timeout.connect(slot)
        timer.start()
        self._timers.append(timer)

    def _look(self) -> None:
        with self.messages.catching():
            self.desk.look()

    def _save(self) -> None:
        with self.messages.catching():
            self.desk.save_annotation()

    def _show_view(self, view: SliceView | None) -> None:
        self.sections[_ANNOTATE].summarise("" if view is None else str(view))

    def _show_state(self, state: "State") -> None:
        self.sections[_IMAGE].summarise(_shortened(state.image))
        self.classes.show_state(state)

    def _tell_score(self, score: "SliceScore") -> None:
        table, estimate = self.desk.classes.table, self.train.estimate
        self.messages.confirm(slice_score_words(score, table, estimate))
        self.train.count_in(score)

    def _turn_planes(self) -> None:
        with self.messages.catching():
            self.planes.turn(self)
        self.paint.planes.setChecked(self.planes.is_shown)

    def _show_locked(self) -> None:
        guard = self.desk.project.locks.guard
        self.classes.table.show_locked(guard.classes)
        self.paint.ledger.show_locked(guard.slices)

    def _fold_image(self, arrays: object) -> None:
        """Fold the first step once an annotation is begun: its room is for painting."""
        image = self.sections[_IMAGE]
        if arrays is None:
            image.unfold()
        else:
            image.fold_up()
            self.column.make_room(self.sections[_ANNOTATE])

    def _on_phase(self, phase: Phase) -> None:
        """Take away what failed before once something runs."""
        if phase in (Phase.TRAINING, Phase.PREDICTING):
            self.messages.settle()
        self.sections[_TRAIN].summarise(
            "" if phase is Phase.IDLE else PHASE_NAMES[phase]
        )

    def _show_theme(self) -> None:
        self.setStyleSheet(style_sheet(self.desk.viewer.theme))
        for plots in (self.train.curves, self.train.plots):
            plots.set_theme(self.desk.viewer.theme)


def _shortened(name: str) -> str:
    half = _LONGEST // 2
    short = f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"
    return name if len(name) <= _LONGEST else short
