"""The keys that pick a class, wherever in the window the focus is."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from sparseseg.widgets.class_model import keys_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from sparseseg.classes import ClassTable
    from sparseseg.widgets.class_model import ClassModel
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.painting import Painter


class ClassKeys(QObject):
    """Keep one shortcut a class.

    Qt's shortcuts are used because napari's key bindings never see Shift with a digit:
    there it is the character above the digit.
    """

    def __init__(
        self,
        parent: "QWidget",
        classes: "ClassModel",
        painter: "Painter",
        messages: "MessageArea",
    ) -> None:
        super().__init__(parent)
        self._widget = parent
        self._painter = painter
        self._messages = messages
        self.shortcuts: dict[int, QShortcut] = {}
        classes.changed.connect(self.bind)
        self.bind(classes.table)

    def bind(self, table: "ClassTable") -> None:
        """Bind the keys of a table in place of the old ones."""
        for shortcut in self.shortcuts.values():
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self.shortcuts = {n: self._bound(n, key) for n, key in keys_of(table).items()}

    def _bound(self, number: int, key: str) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._widget)
        # The dock may float in a window of its own while one paints in the other.
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(partial(self._pick, number))
        return shortcut

    def _pick(self, number: int) -> None:
        with self._messages.catching():
            self._painter.select(number)
