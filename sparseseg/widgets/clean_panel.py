"""Rules that clean the prediction up: what is known of the volume as a whole."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.postprocessing import (
    FORMS,
    check_rules,
    clean,
    needs_probabilities,
    read_rules,
)
from sparseseg.widgets.background import Background
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.common_rules import CommonRules
from sparseseg.widgets.fold import FoldButton

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QCloseEvent

    from sparseseg.data.volume import Volume
    from sparseseg.postprocessing import Rule
    from sparseseg.session import SharedArrays
    from sparseseg.session.events import Rules
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea

_LINES = 3


class CleanPanel(QWidget):
    """Tick or write rules, apply them to the prediction, and keep them with the model.

    The result is a layer of its own, so that the prediction stays as it is; it is made
    in a thread, because components are looked for in the whole volume.
    """

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._worker = Background("clean")
        self.fold = FoldButton(say("Clean up by rules"), _FOLD)
        self.common = CommonRules()
        self.rules = QPlainTextEdit()
        self.rules.setPlaceholderText(
            "\n".join((say("Other rules, one a line:"), FORMS[0], FORMS[2]))
        )
        self.rules.setToolTip(_TIP)
        self.rules.setFixedHeight((_LINES + 1) * self.rules.fontMetrics().lineSpacing())
        self.apply = action_button(
            say("Clean up the prediction"), _APPLY, self._clean, messages=messages
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.fold, self.common, self.rules, self.apply):
            layout.addWidget(widget)
        self.fold.fold(self.common, self.rules, self.apply)
        self._worker.done.connect(self._show)
        self._worker.failed.connect(self._show_failure)
        desk.relay.rules.connect(self._take)
        desk.project.rules.connect(self._take)
        self._is_working = False
        desk.state_changed.connect(self._show_possible)
        self._show_possible()

    @property
    def lines(self) -> tuple[str, ...]:
        """What is ticked and then what is written, without empty lines."""
        written = self.rules.toPlainText().splitlines()
        ticked = self.common.lines(self._desk.classes.table.numbers)
        return (*ticked, *(line.strip() for line in written if line.strip()))

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread."""
        self._worker.close()
        super().closeEvent(event)

    def _clean(self) -> None:
        rules = self._read()
        arrays, volume = self._desk.link.arrays, self._desk.link.volume
        if arrays is None or volume is None:
            raise UserError(_NOTHING)
        check_rules(rules, volume.unit)
        self._desk.session.keep_rules(self.lines)
        self._desk.project.keep_rules(self.lines)
        self._show_working(True)
        self._worker.start(partial(_cleaned, arrays, volume, rules))

    def _read(self) -> "tuple[Rule, ...]":
        if not self.lines:
            raise UserError("Tick or write a rule first, like: {rule}.", rule=FORMS[0])
        rules = read_rules(self.lines, self._desk.classes.table)
        if needs_probabilities(rules):
            raise UserError(
                "The window keeps no probabilities for a rule 'keep A above P': save "
                "the model, and predict with --clean on the command line."
            )
        return rules

    def _show(self, cleaned: "_Cleaned") -> None:
        self._show_working(False)
        # Not of an image that was left meanwhile.
        if cleaned.arrays is self._desk.link.arrays:
            self._desk.results.show_cleaned(cleaned.labels)
            self._messages.confirm(
                say(
                    "{dropped:,} voxels were dropped and {filled:,} filled; "
                    "the result is a layer of its own, and the rules are saved with the model.",
                    dropped=cleaned.dropped,
                    filled=cleaned.filled,
                )
            )

    def _show_failure(self, words: str) -> None:
        self._show_working(False)
        self._messages.error(words)

    def _show_working(self, is_working: bool) -> None:
        self._is_working = is_working
        self._show_possible()

    def _show_possible(self, _state: object = None) -> None:
        show_reason(self.apply, _APPLY, self._desk.state.reason("clean"))
        if self._is_working:
            self.apply.setEnabled(False)

    def _take(self, rules: "Rules") -> None:
        rest = self.common.take(rules.lines, self._desk.classes.table.numbers)
        self.rules.setPlainText("\n".join(rest))
        if rules.lines:
            self.fold.setChecked(True)


@dataclass(frozen=True, slots=True, eq=False)
class _Cleaned:
    """A cleaned prediction, and what the rules changed in voxels."""

    arrays: "SharedArrays"
    labels: "NDArray[np.uint8]"
    dropped: int
    filled: int


def _cleaned(
    arrays: "SharedArrays", volume: "Volume", rules: "tuple[Rule, ...]"
) -> _Cleaned:
    """Apply rules to a copy of the prediction; slow."""
    before = arrays.prediction.copy()
    if not before.any():
        raise UserError(_NOTHING)
    after = clean(before, rules, spacing=volume.spacing, unit=volume.unit)
    dropped = int(np.count_nonzero((before != 0) & (after == 0)))
    changed = int(np.count_nonzero(before != after))
    return _Cleaned(arrays, after, dropped, changed - dropped)


_NOTHING = template("There is no prediction yet: press Predict volume first.")
_APPLY = say(
    "Apply the rules to what is predicted so far. The result is a layer of its own, and "
    "the model is saved with the rules"
)
_FOLD = say("Show or hide the rules that clean the prediction up")
_TIP = say("One rule a line, with names or numbers of classes:\n") + "\n".join(FORMS)
