"""The project at the top of the dock: make and open one, go back a step, its volumes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from sparseseg.language import say
from sparseseg.widgets.asking import may_lose_model
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.rows import row_of
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.project_work import Row

_ROW_HEIGHT = 22
_MOST_ROWS = 4
_STATES = {"changed": say("changed"), "gone": say("gone")}
"""The states of a volume's file that one should know of."""
_COLUMNS = (say("Volume"), say("Slices"), say("Classes"), say("Score"))


class ProjectPanel(QWidget):
    """Save what is open as a project once; then every change is kept by itself."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._project = desk.project
        self._messages = messages
        dots = "\N{HORIZONTAL ELLIPSIS}"
        self.save = self._button(
            say("Save project{dots}", dots=dots), _SAVE, self._save
        )
        self.open = self._button(
            say("Open project{dots}", dots=dots), _OPEN, self._open
        )
        self.report = self._button(
            say("Report{dots}", dots=dots), _REPORT, self._report
        )
        self.undo = self._button(say("Undo"), _UNDO, lambda: desk.history.turn("undo"))
        self.redo = self._button(say("Redo"), _REDO, lambda: desk.history.turn("redo"))
        self.title = text_label(role="hint", wrap=False)
        self.volumes = QTableWidget(0, len(_COLUMNS))
        self._build()
        self._project.changed.connect(self._show)
        desk.link.annotation_changed.connect(self._show)
        self._project.failed.connect(messages.error)
        self._project.told.connect(messages.confirm)
        self._project.reported.connect(self._offer_report)
        self._show()

    def _button(
        self, text: str, tip: str, action: Callable[[], object]
    ) -> "QPushButton":
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        table = self.volumes
        table.setHorizontalHeaderLabels(_COLUMNS)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        table.horizontalHeader().setFixedHeight(_ROW_HEIGHT)
        table.horizontalHeader().setSectionResizeMode(
            QHeaderView.ResizeMode.ResizeToContents
        )
        table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        table.setShowGrid(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.itemSelectionChanged.connect(self._go)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 0)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addLayout(
            row_of(self.undo, self.redo, self.save, self.open, self.report)
        )
        layout.addWidget(table)

    def _save(self) -> None:
        proposed = str(Path.home() / "project")
        path, _ = QFileDialog.getSaveFileName(
            self, say("Save project in a new folder"), proposed
        )
        if path:
            self._project.create(Path(path))

    def _open(self) -> None:
        path = QFileDialog.getExistingDirectory(self, say("Open project"))
        if path and may_lose_model(self, self._desk, _BEFORE_OPENING):
            self._project.open(Path(path))

    def _report(self) -> None:
        folder = self._project.folder
        assert folder is not None, "the button is there with a project"
        proposed = str(folder.with_name(f"{folder.name}.html"))
        given, _ = QFileDialog.getSaveFileName(self, say("Write report"), proposed)
        if given:
            path = Path(given)
            is_page = path.suffix.lower() in (".html", ".htm")
            self._project.report(
                path if is_page else path.with_name(f"{path.name}.html")
            )

    def _offer_report(self, path: Path) -> None:
        words = say("The report was written: {path}", path=path)
        url = QUrl.fromLocalFile(str(path.absolute()))
        self._messages.offer(
            words, say("Show report"), lambda: QDesktopServices.openUrl(url)
        )

    def _go(self) -> None:
        row = self.volumes.currentRow()
        if 0 <= row < len(self._project.rows):
            with self._messages.catching():
                self._project.show(self._project.rows[row].name)

    def _show(self, _layer: object = None) -> None:
        folder, rows = self._project.folder, self._project.rows
        is_open = folder is not None
        self.title.setText(say("Project: {name}", name=folder.name) if folder else "")
        self.title.setToolTip(str(folder or ""))
        self.save.setHidden(is_open)
        self.title.setVisible(is_open)
        self.report.setVisible(is_open)
        is_begun = self._desk.link.annotation is not None
        for widget in (self.undo, self.redo):
            widget.setVisible(is_open or is_begun)
        self.volumes.setVisible(bool(rows))
        self.volumes.setFixedHeight(_ROW_HEIGHT * (1 + min(len(rows), _MOST_ROWS)) + 6)
        with signals_blocked(self.volumes):
            self.volumes.setRowCount(len(rows))
            for number, row in enumerate(rows):
                self._fill(number, row)
                if row.name == self._project.current:
                    self.volumes.selectRow(number)

    def _fill(self, number: int, row: "Row") -> None:
        score = "\N{EN DASH}" if row.score is None else f"{row.score:.2f}"
        state = _STATES.get(row.state)
        name = f"{row.name} ({state})" if state else row.name
        words = (name, str(row.slices), str(row.classes), score)
        for column, text in enumerate(words):
            item = QTableWidgetItem(text)
            item.setToolTip(
                say(
                    "{name}: {slices} slices annotated, {complete} complete; click to "
                    "go there. The score is the mean IoU on held-out slices.",
                    name=name,
                    slices=row.slices,
                    complete=row.complete,
                )
            )
            self.volumes.setItem(number, column, item)


_SAVE = say(
    "Save images, annotations and models as a project in a new folder; from then on every "
    "change is kept by itself"
)
_REPORT = say(
    "Write volumes, work, models, scores and pictures as one HTML file, with sentences for a "
    "methods section"
)
_BEFORE_OPENING = say(
    "The model that you trained is not saved. Save it before you open a project?"
)
_OPEN = say("Open a project with its volumes, annotations, classes, model and view")
_UNDO = say("Take back the newest change, on whichever slice or volume (Ctrl+Z)")
_REDO = say("Make the change again that was taken back last (Ctrl+Shift+Z)")
