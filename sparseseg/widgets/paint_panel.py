"""Step 3: the brush, the slices, and what has been annotated so far."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.slices import AXES
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.class_model import keys_of
from sparseseg.widgets.class_table import swatch_icon
from sparseseg.widgets.ledger_view import LedgerView
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.widgets.class_model import ClassModel
    from sparseseg.widgets.ledger import LedgerWatch
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.painting import Painter


_LONGEST = 20


class PaintPanel(QWidget):
    """Pick a class, turn the volume, finish slices and see the ledger."""

    def __init__(
        self,
        painter: "Painter",
        classes: "ClassModel",
        ledger: "LedgerWatch",
        messages: "MessageArea",
    ) -> None:
        super().__init__()
        self._painter = painter
        self._ledger = ledger
        self._messages = messages
        self.chips = _Chips(painter, messages)
        self.axes = QButtonGroup(self)
        self.fill = action_button(
            "Fill rest of slice with background",
            "Mark what is still unlabelled on the visible slice as background, which "
            "completes it; Ctrl+Z undoes it",
            self._fill,
            messages=messages,
        )
        self.caution = text_label(role="remark")
        self.ledger = LedgerView()
        self._build()
        self.ledger.asked.connect(self._go_to)
        classes.changed.connect(self.chips.show_table)
        painter.label_changed.connect(self.chips.show_label)
        painter.cautioned.connect(self._show_caution)
        painter.view_changed.connect(self._show_view)
        ledger.counted.connect(self.ledger.show_count)
        self.chips.show_table(classes.table)
        self._show_caution(painter.caution)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.chips)
        layout.addWidget(self.caution)
        layout.addLayout(self._axis_row())
        layout.addWidget(self.fill)
        layout.addWidget(self.ledger)

    def _axis_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(text_label("Slices across", wrap=False))
        for axis, name in enumerate(AXES):
            button = QPushButton(name)
            button.setCheckable(True)
            button.setToolTip(f"Show and paint slices across {name}")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self.axes.addButton(button, axis)
            row.addWidget(button, 1)
        self.axes.button(0).setChecked(True)
        self.axes.idClicked.connect(self._turn_to)
        return row

    def _turn_to(self, axis: int) -> None:
        with self._messages.catching():
            self._painter.turn_to(axis)
        self._show_view(self._painter.view)

    def _go_to(self, view: SliceView) -> None:
        with self._messages.catching():
            self._painter.go_to(view)

    def _fill(self) -> None:
        filled = self._painter.fill_rest()
        self._ledger.look()
        if not filled:
            self._messages.confirm(f"Slice {self._painter.view} is complete already.")

    def _show_caution(self, text: str) -> None:
        self.caution.setText(text)
        self.caution.setVisible(bool(text))

    def _show_view(self, view: SliceView | None) -> None:
        if view is not None:
            self.axes.button(view.axis).setChecked(True)
        self.ledger.show_view(view)


class _Chips(QWidget):
    """One button for each class, the background and the eraser."""

    def __init__(self, painter: "Painter", messages: "MessageArea") -> None:
        super().__init__()
        self._painter = painter
        self._messages = messages
        self.buttons: dict[int, QPushButton] = {}
        self._layout = QFlowLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def show_table(self, table: ClassTable) -> None:
        for button in self.buttons.values():
            self._layout.removeWidget(button)
            button.hide()
            button.deleteLater()
        keys = keys_of(table)
        named = [(c.number, c.name) for c in table.classes]
        self.buttons = {
            number: self._chip(number, name, table, keys.get(number, ""))
            for number, name in [*named, (BACKGROUND, "background")]
        }
        self.buttons[UNLABELLED] = self._eraser()
        for button in self.buttons.values():
            self._layout.addWidget(button)
        self.show_label(self._painter.label)

    def show_label(self, label: int | None) -> None:
        for number, button in self.buttons.items():
            button.setChecked(number == label)

    def _chip(self, number: int, name: str, table: ClassTable, key: str) -> QPushButton:
        tip = f"Paint {name}" + (f" (key {key})" if key else "")
        button = self._button(number, _shortened(name), tip)
        button.setIcon(swatch_icon(table.colour_of(number)))
        button.setIconSize(QSize(12, 12))
        return button

    def _eraser(self) -> QPushButton:
        return self._button(
            UNLABELLED, "eraser", "Make voxels unlabelled again (key 1)"
        )

    def _button(self, number: int, text: str, tip: str) -> QPushButton:
        def select() -> None:
            try:
                self._painter.select(number)
            finally:
                self.show_label(self._painter.label)

        button = action_button(text, tip, select, messages=self._messages, role="chip")
        button.setCheckable(True)
        return button


def _shortened(name: str) -> str:
    return (
        name if len(name) <= _LONGEST else name[:_LONGEST] + "\N{HORIZONTAL ELLIPSIS}"
    )
