"""What a stroke may change: locks of classes and slices, and what the brush replaces."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QVBoxLayout, QWidget

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.data.slices import AXES
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.paint_over import PaintOver
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from sparseseg.classes import ClassTable
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea

KEY = "Ctrl+L"


class LockPanel(QWidget):
    """Lock what is finished; choose what the brush may replace. Shown with a project."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._project = desk.project
        self._messages = messages
        self.over = PaintOver()
        self.slice = self._button(say("Lock slice"), _SLICE, self._lock_slice)
        self.label = self._button(say("Lock class"), _CLASS, self._lock_class)
        self.locked = text_label(role="hint")
        self._build()
        self._connect()
        self._show_classes(desk.classes.table)

    def _button(
        self, text: str, tip: str, action: Callable[[], object]
    ) -> "QPushButton":
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row_of(text_label(say("Paint over"), wrap=False), self.over))
        layout.addLayout(row_of(self.slice, self.label))
        layout.addWidget(self.locked)
        shortcut = QShortcut(QKeySequence(KEY), self)
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(self.slice.click)

    def _connect(self) -> None:
        self.over.chosen.connect(self._project.locks.paint_over)
        self._project.changed.connect(self._show)
        self._desk.painter.view_changed.connect(self._show)
        self._desk.painter.label_changed.connect(self._show)
        self._desk.classes.changed.connect(self._show_classes)

    def _lock_slice(self) -> None:
        view = self._desk.painter.view
        if view is None:
            raise UserError("No single slice is shown: turn to 2-D and to the volume.")
        self._project.locks.turn_slice(view)

    def _lock_class(self) -> None:
        number = self._desk.painter.label
        if number is None or number == UNLABELLED:
            raise UserError("Choose the class to lock in the list of classes first.")
        self._project.locks.turn_class(number)

    def _show_classes(self, table: "ClassTable") -> None:
        self.over.show_classes(table)
        self._show()

    def _show(self, _changed: object = None) -> None:
        self.setVisible(self._project.folder is not None)
        guard, view = self._project.locks.guard, self._desk.painter.view
        is_locked = view is not None and (view.axis, view.index) in guard.slices
        self.slice.setText(say("Unlock slice") if is_locked else say("Lock slice"))
        is_locked = self._desk.painter.label in guard.classes
        self.label.setText(say("Unlock class") if is_locked else say("Lock class"))
        names = {c.number: c.name for c in self._desk.classes.table.classes}
        names[BACKGROUND] = say("background")
        words = [names.get(number, str(number)) for number in sorted(guard.classes)]
        words += [f"{AXES[axis]} {index}" for axis, index in sorted(guard.slices)]
        self.locked.setText(
            say("Locked: {words}", words=", ".join(words)) if words else ""
        )
        self.locked.setVisible(bool(words))


_SLICE = say(
    "Let nothing change the visible slice; press again to unlock it ({key})", key=KEY
)
_CLASS = say(
    "Let the class that you paint with neither lose nor gain a voxel, in all volumes"
)
