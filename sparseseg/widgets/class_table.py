"""What can be painted, as a table: the classes, the background and the eraser."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPen,
    QPixmap,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)
from superqt.utils import signals_blocked

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.language import say
from sparseseg.widgets.class_model import keys_of
from sparseseg.widgets.padlock import padlock_icon

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

_COLOUR, _NAME, _KEY = range(3)
_ROW_HEIGHT = 22
_MOST_ROWS = 12
_FRAME = 6
_SHIFT = "\N{UPWARDS WHITE ARROW}"


class ClassTableView(QTableWidget):
    """Show a class table, pick the brush in it, and say what is to be changed."""

    picked = Signal(int)
    renamed = Signal(int, str)
    recoloured = Signal(int, str)
    pasted = Signal(str)

    def __init__(self, parent: "QWidget | None" = None) -> None:
        super().__init__(0, 3, parent)
        self._table = ClassTable()
        self._locked: frozenset[int] = frozenset()
        self.setHorizontalHeaderLabels(["", say("Class"), say("Key")])
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.setShowGrid(False)
        self.setIconSize(QSize(14, 14))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().setFixedHeight(_ROW_HEIGHT)
        self._size_columns()
        self.itemChanged.connect(self._on_changed)
        self.itemSelectionChanged.connect(self._on_selected)
        self.cellClicked.connect(self._on_clicked)

    @property
    def number(self) -> int | None:
        """The number of the selected row."""
        row = self.currentRow()
        return self._number(row) if row >= 0 else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tell of a text that is pasted."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.pasted.emit(QApplication.clipboard().text())
        else:
            super().keyPressEvent(event)

    def show_table(self, table: ClassTable) -> None:
        """Show these classes and, last, the background and the eraser."""
        selected = self.number
        self._table = table
        rows = [(c.number, c.name) for c in table.classes]
        rows += [(BACKGROUND, say("background")), (UNLABELLED, say("eraser"))]
        with signals_blocked(self):
            self.setRowCount(len(rows))
            for row, (number, name) in enumerate(rows):
                self._fill_row(row, number, name)
        self.setFixedHeight(self._needed_height(len(rows)))
        self.show_picked(rows[0][0] if selected is None else selected)

    def show_locked(self, numbers: frozenset[int]) -> None:
        """Mark the classes that are locked with a padlock."""
        if numbers != self._locked:
            self._locked = numbers
            self.show_table(self._table)

    def show_picked(self, number: int) -> None:
        """Mark the row of a class, or none for a number that has no row."""
        with signals_blocked(self):
            numbers = [self._number(row) for row in range(self.rowCount())]
            if number in numbers:
                self.selectRow(numbers.index(number))
            else:
                self.clearSelection()

    def _size_columns(self) -> None:
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setSectionsClickable(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for column, width in ((_COLOUR, 28), (_KEY, 44)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.setColumnWidth(column, width)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)

    def _fill_row(self, row: int, number: int, name: str) -> None:
        plain = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        is_class = number not in _FIXED
        colour = "" if number == UNLABELLED else self._table.colour_of(number)
        swatch = QTableWidgetItem(swatch_icon(colour), "")
        swatch.setData(Qt.ItemDataRole.UserRole, number)
        swatch.setFlags(plain)
        swatch.setToolTip(_FIXED.get(number, say("Click to choose another colour")))
        title = QTableWidgetItem(name)
        title.setFlags(plain | Qt.ItemFlag.ItemIsEditable if is_class else plain)
        tip = say(
            "{name}: number {number}; double-click to rename", name=name, number=number
        )
        title.setToolTip(_FIXED.get(number, tip))
        if number in self._locked:
            title.setIcon(padlock_icon(self.palette().text().color()))
            title.setToolTip(
                say("{name} is locked: it neither loses nor gains a voxel", name=name)
            )
        key = _ERASER_KEY if number == UNLABELLED else self._key(number)
        key_item = QTableWidgetItem(key.replace("Shift+", _SHIFT))
        key_item.setFlags(plain)
        key_item.setToolTip(
            say("Press {key} to paint with it", key=key) if key else say("No key")
        )
        for column, item in enumerate((swatch, title, key_item)):
            self.setItem(row, column, item)

    def _key(self, number: int) -> str:
        return keys_of(self._table).get(number, "")

    def _number(self, row: int) -> int:
        return int(self.item(row, _COLOUR).data(Qt.ItemDataRole.UserRole))

    def _needed_height(self, rows: int) -> int:
        return _ROW_HEIGHT * (1 + min(rows, _MOST_ROWS)) + _FRAME

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if item.column() == _NAME:
            self.renamed.emit(self._number(item.row()), item.text())

    def _on_selected(self) -> None:
        if self.selectedItems() and self.number is not None:
            self.picked.emit(self.number)

    def _on_clicked(self, row: int, column: int) -> None:
        number = self._number(row)
        if column == _COLOUR and number not in _FIXED:
            old = QColor(self._table.colour_of(number))
            new = QColorDialog.getColor(
                old, self, say("Colour of {name}", name=self._table[number].name)
            )
            if new.isValid():
                self.recoloured.emit(number, new.name())


_ERASER_KEY = "1"  # napari's own
_FIXED = {
    BACKGROUND: say(
        "Voxels that belong to no class; they become 0 in every prediction"
    ),
    UNLABELLED: say("Make voxels unlabelled again"),
}


def swatch_icon(colour: str) -> QIcon:
    """Return a small rounded square of a colour; of none, its outline."""
    pixmap = QPixmap(28, 28)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if colour:
        painter.setBrush(QColor(colour))
        painter.setPen(Qt.PenStyle.NoPen)
    else:
        painter.setPen(QPen(Qt.GlobalColor.gray, 2))
    painter.drawRoundedRect(3, 3, 22, 22, 6, 6)
    painter.end()
    icon = QIcon(pixmap)
    # Else Qt tints the icon of a selected row, which changes the very colour it shows.
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
