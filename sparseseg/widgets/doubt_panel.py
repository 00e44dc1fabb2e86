"""Step 4, third part: the places where the prediction may be wrong."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.reporting.doubtful import place_in_words
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.state import State

_ROWS = 5


class DoubtPanel(QWidget):
    """Find the doubtful places, and list them: a click goes to one."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._doubts = desk.doubts
        self._messages = messages
        self.find = action_button(
            say("Find doubtful places"), _FIND, self._find, messages=messages
        )
        self.list = QListWidget()
        self.words = text_label(role="hint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget in (self.find, self.list, self.words):
            layout.addWidget(widget)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setWordWrap(True)
        self.list.currentRowChanged.connect(self._go_to)
        self._doubts.changed.connect(self._show)
        self._doubts.failed.connect(messages.error)
        desk.state_changed.connect(self._show_state)
        self._show_state(desk.state)
        self._has_looked = False
        self._show()

    def _show_state(self, state: "State") -> None:
        show_reason(self.find, _FIND, state.reason("examine"))

    def _find(self) -> None:
        self._doubts.find()
        self._has_looked = True
        self.words.setText(say("Looking through the prediction\N{HORIZONTAL ELLIPSIS}"))
        self.words.show()

    def _go_to(self, row: int) -> None:
        if row >= 0:
            with self._messages.catching():
                self._doubts.go_to(row)

    def _show(self) -> None:
        places, table = self._doubts.places, self._desk.classes.table
        self.list.blockSignals(True)
        self.list.clear()
        names = {c.number: c.name for c in table.classes}
        self.list.addItems([place_in_words(place, names) for place in places])
        self.list.blockSignals(False)
        height = self.list.sizeHintForRow(0) * min(_ROWS, max(1, len(places)))
        self.list.setFixedHeight(height + 2 * self.list.frameWidth())
        self.list.setVisible(bool(places))
        empty = say("No place stands out.") if self._has_looked else ""
        self.words.setText(_STEP if places else empty)
        self.words.setHidden(not self.words.text())
        self._has_looked = False


_FIND = say(
    "Look through the predicted volume for places where it is not sure, where the image is "
    "unlike all that you labelled, and where your slices suggest another shape"
)
_STEP = say("Shift+S goes to the next place. The layer named doubt shows all of them.")
