"""Step 4, second half: the models of earlier trainings with their scores."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.session.events import Phase
from sparseseg.widgets.asking import may_lose_model
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.past_words import (
    changed_words,
    model_words,
    overtaken_words,
    training_words,
)
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.past_models import Comparison, Overtaken

_ROWS = 4
_NAME = Qt.ItemDataRole.UserRole


class PastPanel(QWidget):
    """List the models; go back to one, or compare one with the model in use."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._past = desk.past
        self._messages = messages
        self.list = QListWidget()
        self.back = action_button(
            say("Go back to it"), _BACK, self._go_back, messages=messages
        )
        self.compare = action_button(
            say("Compare"), _COMPARE, self._compare, messages=messages
        )
        self._build()
        self.list.itemSelectionChanged.connect(self._show_buttons)
        desk.state_changed.connect(self._show_buttons)
        self._past.changed.connect(self._show)
        self._past.overtaken.connect(self._offer)
        self._past.compared.connect(self._show_comparison)
        self._past.failed.connect(messages.error)
        self._show()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(text_label(say("Models of your trainings"), wrap=False))
        layout.addWidget(self.list)
        layout.addLayout(row_of(self.back, self.compare))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    @property
    def _selected(self) -> str:
        items = self.list.selectedItems()
        return str(items[0].data(_NAME)) if items else ""

    def _show(self) -> None:
        selected = self._selected
        self.list.clear()
        for model in reversed(self._past.listed):
            item = QListWidgetItem(
                model_words(model, in_use=model.name == self._past.current)
            )
            item.setData(_NAME, model.name)
            item.setToolTip(f"{item.text()}\n{training_words(model)}")
            self.list.addItem(item)
            item.setSelected(model.name == selected)
        height = self.list.sizeHintForRow(0) * min(_ROWS, max(1, self.list.count()))
        self.list.setFixedHeight(height + 2 * self.list.frameWidth())
        # Where there is only the one in use, there is nothing to choose.
        others = [m for m in self._past.listed if m.name != self._past.current]
        self.setVisible(bool(others))
        self._show_buttons()

    def _show_buttons(self, _changed: object = None) -> None:
        selected, reason = self._selected, ""
        if not selected:
            reason = say("Select a model in the list first.")
        elif selected == self._past.current:
            reason = say("This model is in use: select another one.")
        busy = (
            ""
            if self._desk.state.phase is Phase.IDLE
            else self._desk.state.reason("load")
        )
        show_reason(self.back, _BACK, reason or busy)
        show_reason(self.compare, _COMPARE, reason)

    def _go_back(self) -> None:
        self._return_to(self._selected)

    def _return_to(self, name: str) -> None:
        is_listed = bool(self._past.current)
        if is_listed or may_lose_model(self, self._desk, _BEFORE_GOING_BACK):
            self._past.go_back(name)

    def _compare(self) -> None:
        self._past.compare(self._selected)

    def _offer(self, found: "Overtaken") -> None:
        other = found.newest if found.is_kept else found.better
        self._messages.offer(
            overtaken_words(found),
            say("Use the new one") if found.is_kept else say("Go back"),
            lambda: self._return_to(other.name),
        )

    def _show_comparison(self, found: "Comparison") -> None:
        self._messages.note(changed_words(found, self._desk.classes.table))
        if found.difference.voxels and found.seat is self._desk.link.seat:
            self._desk.results.show_changes(found.labels)
            self._desk.painter.go_to(SliceView(*found.difference.where))


_BACK = say("Predict with the selected model, and train it further")
_COMPARE = say(
    "Show where the predictions of the selected model and of the one in use differ"
)
_BEFORE_GOING_BACK = say(
    "The model that you trained is not saved. Save it before you go back to another one?"
)
