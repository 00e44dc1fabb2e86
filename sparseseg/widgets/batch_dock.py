"""The dock for a folder of volumes: one model over all of them, and what came of it."""

import json
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from sparseseg.classes import ClassTable
from sparseseg.data.files import read
from sparseseg.language import say, say_count
from sparseseg.widgets.background import Background
from sparseseg.widgets.batch_form import BatchForm, beside
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.command import CommandProcess
from sparseseg.widgets.job_progress import duration
from sparseseg.widgets.layer_kinds import prediction_layer
from sparseseg.widgets.messages import MessageArea
from sparseseg.widgets.style import style_sheet
from sparseseg.widgets.tabs import join_tabs, mark_as_dock
from sparseseg.widgets.worst import Worst

if TYPE_CHECKING:
    from collections.abc import Mapping

    import napari.viewer
    from numpy.typing import NDArray
    from qtpy.QtGui import QCloseEvent, QShowEvent

    from sparseseg.data.volume import Volume

_COLUMNS = {
    "volume": say("volume"),
    "state": say("state"),
    "done": say("done"),
    "seconds": say("seconds"),
    "note": say("note"),
}
_STATES = {
    "waiting": say("waiting"),
    "running": say("running"),
    "done": say("done"),
    "skipped": say("skipped"),
    "failed": say("failed"),
}
_ENDS = ("done", "skipped", "failed")
_ROLE = Qt.ItemDataRole.UserRole


class BatchDock(QWidget):
    """Choose a model and folders, watch the table, open what is done.

    The batch is the command `sparseseg batch`, with the same settings file.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        mark_as_dock(self)
        self._viewer = viewer
        self._rows: dict[str, int] = {}
        self._totals: dict[str, float] = {}
        self._given: Path | None = None
        self._reading = Background("results")
        self._reading.done.connect(self._show_result)
        self._reading.failed.connect(self._show_failure)
        self.messages = MessageArea()
        self.command = CommandProcess(self)
        self.form = BatchForm(self.messages)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.bar = QProgressBar()
        self.start = self._button(say("Start"), _START, self._start, "primary")
        self.cancel = self._button(say("Cancel"), _CANCEL, self.command.stop)
        self.open = self._button(say("Open result"), _OPEN, self._open)
        self.report = self._button(say("Report"), _REPORT, self._report)
        self.worst = Worst(self, self.messages)
        self.annotate = self._button(
            say("Annotate the worst\N{HORIZONTAL ELLIPSIS}"), _WORST, self._annotate
        )
        self._build()
        self._show_state()
        self.command.told.connect(self._show)
        self.command.ended.connect(self._show_end)
        viewer.events.theme.connect(self._show_theme)
        self._show_theme()

    def showEvent(self, event: "QShowEvent") -> None:
        """Lie as a tab beside the main dock, and not under it."""
        super().showEvent(event)
        join_tabs(self)

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the batch with its dock; what is done stays."""
        self.command.close()
        self._reading.close()
        self.worst.close()
        self._forget_settings()
        super().closeEvent(event)

    def _button(self, text: str, tip: str, action: Any, role: str = "") -> QPushButton:
        return action_button(text, tip, action, messages=self.messages, role=role)

    def _build(self) -> None:
        self.table.setHorizontalHeaderLabels(list(_COLUMNS.values()))
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.itemSelectionChanged.connect(self._show_state)
        layout = QVBoxLayout(self)
        layout.addWidget(self.messages)
        layout.addWidget(self.form)
        layout.addWidget(beside(self.start, self.cancel))
        layout.addWidget(self.bar)
        layout.addWidget(self.table, 1)
        layout.addWidget(beside(self.open, self.report, self.annotate))

    def _start(self) -> None:
        settings = self.form.settings()
        with tempfile.NamedTemporaryFile(
            "w", prefix="sparseseg-", suffix=".json", delete=False, encoding="utf-8"
        ) as file:
            json.dump(settings.to_json(), file)
        self._given = Path(file.name)
        self._rows, self._totals = {}, {}
        self.table.setRowCount(0)
        self.bar.setRange(0, 0)
        self.command.start(["batch", "--settings", file.name, "--lines"])
        self._show_state()

    def _show(self, told: dict[str, Any]) -> None:
        if "name" not in told:
            return
        row = self._row(told["name"])
        note = told["error"] or told["note"]
        cells = {
            "state": _STATES[told["state"]],
            "done": f"{told['done']:.0%}",
            "seconds": f"{told['seconds']:.0f}",
        }
        for name, words in cells.items():
            self.table.item(row, list(_COLUMNS).index(name)).setText(words)
        if note:
            cell = self.table.item(row, list(_COLUMNS).index("note"))
            cell.setText(note)
            cell.setToolTip(note)
        self.table.item(row, 0).setData(_ROLE, told)
        self._show_progress(told)
        self._show_state()  # the selected volume may be done now

    def _row(self, name: str) -> int:
        if name not in self._rows:
            row = self._rows[name] = self.table.rowCount()
            self.table.insertRow(row)
            for column in range(len(_COLUMNS)):
                self.table.setItem(row, column, QTableWidgetItem(""))
            self.table.item(row, 0).setText(name)
            self.table.scrollToItem(self.table.item(row, 0))
        return self._rows[name]

    def _show_progress(self, told: dict[str, Any]) -> None:
        self._totals[told["name"]] = told["done"]
        count = max(1, int(told["count"]))
        share = sum(self._totals.values()) / count
        left = told["seconds_left"]
        rest = "" if left is None else say(", {duration} left", duration=duration(left))
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * share))
        self.bar.setFormat(
            say(
                "{begun} of {count}{rest}",
                begun=len(self._totals),
                count=count,
                rest=rest,
            )
        )

    def _forget_settings(self) -> None:
        """Remove the file that the command has read by now."""
        if self._given is not None:
            self._given.unlink(missing_ok=True)
        self._given = None

    def _show_end(self, failure: str) -> None:
        self._forget_settings()
        self.bar.setRange(0, 1000)
        failed = [told for told in self._told() if told["state"] == "failed"]
        if failed and self._has_ended():
            self.messages.warning(
                say_count(
                    "The batch has ended, and {count} volume failed: its note says why.",
                    "The batch has ended, and {count} volumes failed: their notes say why.",
                    len(failed),
                )
            )
        elif failure:
            self.messages.error(failure)
        elif self._totals:
            self.messages.confirm(
                say("The batch has ended: the report is in the folder.")
            )
        self._show_state()

    def _show_state(self) -> None:
        busy = self.command.is_running
        told = self._selected()
        self.start.setEnabled(not busy)
        self.cancel.setEnabled(busy)
        is_done = told is not None and told["state"] in ("done", "skipped")
        self.open.setEnabled(is_done)
        for button in (self.report, self.annotate):
            button.setEnabled(self._report_path().is_file())

    def _told(self) -> list[dict[str, Any]]:
        """Return the last that was told of each volume."""
        return [self.table.item(row, 0).data(_ROLE) for row in self._rows.values()]

    def _has_ended(self) -> bool:
        """Tell whether every volume of the batch came to an end."""
        ends = [told["state"] in _ENDS for told in self._told()]
        return all(ends) and len(ends) == self._told()[0]["count"]

    def _selected(self) -> dict[str, Any] | None:
        row = self.table.currentRow()
        item = self.table.item(row, 0) if row >= 0 else None
        found: dict[str, Any] | None = item.data(_ROLE) if item else None
        return found

    def _open(self) -> None:
        told = self._selected()
        if told is None:
            return
        self.open.setEnabled(False)
        self._reading.start(partial(_read_result, told))

    def _show_result(self, result: "_Result") -> None:
        self._show_state()
        image = result.image
        place = {"scale": image.spacing, "units": (image.unit,) * 3}
        for channel in np.asarray(image.array):
            self._viewer.add_image(channel, name=result.name, **place)
        self._viewer.add_layer(
            prediction_layer(result.labels, result.table, place, image=result.name)
        )

    def _show_failure(self, words: str) -> None:
        self._show_state()
        self.messages.error(words)

    def _report(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._report_path())))

    def _annotate(self) -> None:
        self.worst.take(self._report_path())

    def _report_path(self) -> Path:
        return Path(self.form.output.text().strip() or "nowhere") / "report.html"

    def _show_theme(self) -> None:
        self.setStyleSheet(style_sheet(self._viewer.theme))


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """A volume, its prediction and the classes in it."""

    name: str
    image: "Volume"
    labels: "NDArray[Any]"
    table: ClassTable


def _read_result(told: "Mapping[str, Any]") -> _Result:
    """Read a volume and its prediction; slow."""
    image, found = read(told["image"]), read(told["prediction"])
    labels = np.asarray(found.array[0])
    numbers = set(np.unique(labels).tolist()) - {0}
    is_named = numbers <= set(found.classes.numbers)
    table = found.classes if is_named else ClassTable.numbered(numbers)
    return _Result(told["name"], image, labels, table)


_START = say("Predict all volumes that are not done yet")
_CANCEL = say("Stop; finished predictions stay, and another start continues from there")
_OPEN = say("Add the volume and its prediction to the viewer")
_WORST = say("Take the first volumes of the report into a project, to annotate them")
_REPORT = say("Open the report: volumes, pictures, estimated quality, worst first")
