"""The table of measured objects: a click goes to the object."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from sparseseg.language import say
from sparseseg.widgets.buttons import action_button

if TYPE_CHECKING:
    from sparseseg.postprocessing.objects import Measurements
    from sparseseg.widgets.messages import MessageArea

_DISPLAY = Qt.ItemDataRole.DisplayRole
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_CSV = say("Table (*.csv)")


class ObjectTable(QDialog):
    """One row an object; sorted by a click on the head of a column."""

    chosen = Signal(int, float, float, float)
    """An object by its number, and its centre z, y, x in voxels."""

    def __init__(self, parent: QWidget, messages: "MessageArea") -> None:
        super().__init__(parent)
        self.setWindowTitle(say("Measurements"))
        self.resize(900, 420)
        self.found: Measurements | None = None
        self.view = QTableView()
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSortingEnabled(True)
        self.view.verticalHeader().hide()
        self.save = action_button(
            say("Save table\N{HORIZONTAL ELLIPSIS}"),
            say("Write all measurements into a CSV file"),
            self._save,
            messages=messages,
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.view)
        layout.addWidget(self.save)

    def show_found(self, found: "Measurements | None") -> None:
        """Show measurements in place of those before; without any, close."""
        self.found = found
        if found is None:
            self.close()
            return
        model = _Model(found, self)
        self.view.setModel(model)
        self.view.resizeColumnsToContents()
        self.view.selectionModel().currentRowChanged.connect(self._choose)
        self.show()
        self.raise_()

    def _choose(self, index: QModelIndex, _: QModelIndex) -> None:
        model = self.view.model()
        if index.isValid():
            number, *place = model.values(index.row(), ("object", "z", "y", "x"))
            self.chosen.emit(int(number), *map(float, place))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, say("Save table"), "objects.csv", _CSV
        )
        if path and self.found is not None:
            self.found.write(Path(path.removesuffix(".csv") + ".csv"))


class _Model(QAbstractTableModel):
    """Columns of numbers, of which only what is seen becomes text."""

    def __init__(self, found: "Measurements", parent: QWidget) -> None:
        super().__init__(parent)
        self._columns = found.columns
        self._names, self._titles = list(found.columns), found.titles
        self._order = np.arange(len(found))

    def values(self, row: int, names: tuple[str, ...]) -> list[Any]:
        """Return what a row holds in some columns."""
        return [self._columns[name][self._order[row]] for name in names]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many objects there are."""
        return len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many measurements there are."""
        return len(self._names)

    def data(self, index: QModelIndex, role: int = _DISPLAY) -> Any:
        """Return a number as text, to be read from the right."""
        value = self._columns[self._names[index.column()]][self._order[index.row()]]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if isinstance(value, str) else _RIGHT
        if role != _DISPLAY:
            return None
        return f"{value:.4g}" if isinstance(value, np.floating) else str(value)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY
    ) -> str | None:
        """Return the name of a column, with its unit."""
        if role != _DISPLAY or orientation != Qt.Orientation.Horizontal:
            return None
        return self._titles[section]

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort the rows by a column."""
        if not 0 <= column < len(self._names):
            return
        self.layoutAboutToBeChanged.emit()
        found = np.argsort(self._columns[self._names[column]], kind="stable")
        is_falling = order == Qt.SortOrder.DescendingOrder
        self._order = found[::-1] if is_falling else found
        self.layoutChanged.emit()
