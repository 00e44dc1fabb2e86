"""Step 2, second half: the slices, and what has been annotated so far."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from sparseseg.data.slices import AXES
from sparseseg.language import say
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.ledger_view import LedgerView
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea


class PaintPanel(QWidget):
    """Turn the volume, finish slices and see the ledger."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._painter = desk.painter
        self._messages = messages
        self.axes = QButtonGroup(self)
        self.planes = QPushButton(say("3 planes"))
        self.planes.setCheckable(True)
        self.planes.setToolTip(_PLANES)
        self.fill = action_button(
            say("Fill rest of slice with background"),
            say(
                "Mark what is still unlabelled on the visible slice as background, which "
                "completes it; Ctrl+Z undoes it"
            ),
            self._fill,
            messages=messages,
        )
        self.caution = text_label(role="remark")
        self.ledger = LedgerView()
        self._build()
        self.ledger.asked.connect(self._go_to)
        self._painter.cautioned.connect(self._show_caution)
        self._painter.view_changed.connect(self._show_view)
        desk.ledger.counted.connect(self.ledger.show_count)
        self._show_caution(self._painter.caution)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.caution)
        layout.addLayout(self._axis_row())
        layout.addWidget(self.fill)
        layout.addWidget(self.ledger)

    def _axis_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(text_label(say("Slices across"), wrap=False))
        for axis, name in enumerate(AXES):
            button = QPushButton(name)
            button.setCheckable(True)
            button.setToolTip(say("Show and paint slices across {name}", name=name))
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self.axes.addButton(button, axis)
            row.addWidget(button, 1)
        row.addWidget(self.planes, 2)
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
        self._desk.filling.background(self._confirm)

    def _confirm(self, labelled: int) -> None:
        self._desk.ledger.look()
        if not labelled:
            self._messages.confirm(
                say("Slice {view} is complete already.", view=self._painter.view)
            )

    def _show_caution(self, text: str) -> None:
        self.caution.setText(text)
        self.caution.setVisible(bool(text))

    def _show_view(self, view: SliceView | None) -> None:
        if view is not None:
            self.axes.button(view.axis).setChecked(True)
        self.ledger.show_view(view)


_PLANES = say(
    "Show the other two planes beside the visible slice, and paint in each of them"
)
