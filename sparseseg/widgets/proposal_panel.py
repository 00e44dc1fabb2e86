"""Step 2, folded: let something propose labels, and accept them part by part."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from sparseseg.language import say
from sparseseg.widgets.background import Background
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.picking import RegionPicker
from sparseseg.widgets.proposal_sources import (
    FILE,
    GROWING,
    SOURCES,
    THRESHOLD,
    Asked,
    ProposalSources,
)
from sparseseg.widgets.proposals import Proposals, Proposed
from sparseseg.widgets.rows import row_of

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.state import State

_LARGEST = 1e9
_PROPOSE, _WORKING = say("Propose"), say("Proposing\N{HORIZONTAL ELLIPSIS}")


class ProposalPanel(QWidget):
    """Choose where a proposal comes from; accept its slice, a class or regions of it.

    Proposals are made in a thread, as they look at the whole volume.
    """

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._worker = Background("proposal")
        self.proposals = Proposals(desk)
        self.sources = ProposalSources(desk)
        self.fold = FoldButton(say("Proposals"), _FOLD)
        self.source = QComboBox()
        self.source.addItems(SOURCES)
        self.source.setToolTip(_SOURCE)
        self.source.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.low, self.high = _number(_LOW), _number(_HIGH)
        self.spread = _number(_SPREAD)
        self.spread.setValue(2.0)
        self.make = self._button(_PROPOSE, _MAKE, self._propose)
        self.slice = self._button(say("Accept slice"), _SLICE, self._accept_slice)
        self.label = self._button(say("Accept class"), _CLASS, self._accept_class)
        self.discard = self._button(say("Discard"), _DISCARD, self._discard)
        self.pick = QPushButton(say("Pick regions"))
        self.pick.setCheckable(True)
        self.pick.setToolTip(_PICK)
        self.picker = RegionPicker(desk, self.proposals, messages)
        self._build()
        self._connect()
        self._show_possible(desk.state)
        self._show_values()

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread with its panel."""
        self._worker.close()
        super().closeEvent(event)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(row_of(self.source, self.make))
        inner.addLayout(row_of(self.low, self.high))
        inner.addWidget(self.spread)
        inner.addLayout(row_of(self.slice, self.label))
        inner.addLayout(row_of(self.pick, self.discard))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(body)
        self.fold.fold(body)

    def _connect(self) -> None:
        self.source.currentTextChanged.connect(self._show_values)
        self.pick.toggled.connect(self._turn_picking)
        self._worker.done.connect(self._take)
        self._worker.failed.connect(self._fail)
        self._desk.link.opened.connect(self._show_limits)
        self._desk.link.image_changed.connect(self._forget)
        self._desk.state_changed.connect(self._show_possible)

    def _propose(self) -> None:
        source = self.source.currentText()
        file = self._ask_for_file() if source == FILE else None
        if source == FILE and file is None:
            return
        self._desk.link.open()
        asked = Asked(self.low.value(), self.high.value(), self.spread.value(), file)
        self._worker.start(self.sources.work(source, asked))
        self._show_working(True)

    def _ask_for_file(self) -> Path | None:
        path, _ = QFileDialog.getOpenFileName(self, say("Labels to propose"))
        return Path(path) if path else None

    def _take(self, proposed: Proposed) -> None:
        self._show_working(False)
        with self._messages.catching():
            self.pick.setChecked(False)
            self.proposals.show(proposed)
        for words in proposed.notes:
            self._messages.note(words)

    def _fail(self, words: str) -> None:
        self._show_working(False)
        self._messages.error(words)

    def _forget(self, _image: object) -> None:
        """Drop what is under way: it belongs to another image."""
        self._worker.forget()
        self._show_working(False)

    def _show_working(self, is_working: bool) -> None:
        self.make.setEnabled(not is_working)
        self.make.setText(_WORKING if is_working else _PROPOSE)

    def _show_possible(self, state: "State") -> None:
        reason = state.reason("take")
        if reason:
            self.pick.setChecked(False)
        for button, tip in (
            (self.slice, _SLICE),
            (self.label, _CLASS),
            (self.pick, _PICK),
            (self.discard, _DISCARD),
        ):
            show_reason(button, tip, reason)

    def _accept_slice(self) -> None:
        self.proposals.accept_slice(self._confirm)

    def _accept_class(self) -> None:
        self.proposals.accept_class(self.sources.number(), self._confirm)

    def _discard(self) -> None:
        self.pick.setChecked(False)
        self.proposals.discard()

    def _confirm(self, taken: int) -> None:
        self._desk.ledger.look()
        self._messages.confirm(
            say("{taken:,} voxels were labelled as proposed.", taken=taken)
            if taken
            else say("Everything that is proposed there has a label already.")
        )

    def _turn_picking(self, is_on: bool) -> None:
        if not is_on:
            self.picker.stop()
            return
        with self._messages.catching():
            self.picker.start()
        self.pick.setChecked(self.picker.is_on)

    def _show_values(self) -> None:
        source = self.source.currentText()
        self.low.setVisible(source == THRESHOLD)
        self.high.setVisible(source == THRESHOLD)
        self.spread.setVisible(source == GROWING)

    def _show_limits(self, arrays: object) -> None:
        image = self._desk.link.image
        if arrays is not None and image is not None:
            low, high = map(float, image.contrast_limits)
            self.low.setValue((low + high) / 2)
            self.high.setValue(high)


def _number(tip: str) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(-_LARGEST, _LARGEST)
    field.setDecimals(2)
    field.setToolTip(tip)
    return field


_FOLD = say("Labels that something proposes, for you to accept or to correct")
_SOURCE = say(
    "What proposes: the prediction of the model; the outlines between complete slices "
    "across the visible axis; all grey values in a range; what touches the class that you "
    "paint with and looks like it; the Labels layer that is selected in the layer list; or "
    "a file of labels for this image, in which 0 proposes nothing"
)
_MAKE = say("Show a proposal as outlines, in place of the one before")
_SLICE = say("Label what is still unlabelled on the visible slice as proposed")
_CLASS = say(
    "Label what is unlabelled and proposed as the brush's class, in the whole volume"
)
_PICK = say("Each click on a proposed region of the visible slice labels that region")
_DISCARD = say("Take the proposal away; what you accepted stays")
_LOW, _HIGH = (
    say("The lowest grey value to propose"),
    say("The highest grey value to propose"),
)
_SPREAD = say(
    "How many standard deviations a grey value may differ from those of the class"
)
