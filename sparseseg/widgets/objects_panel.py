"""Objects of the prediction: told apart, measured, and written as files and surfaces."""

import shutil
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from sparseseg.data.overwriting import check_overwrites
from sparseseg.errors import UserError
from sparseseg.language import say, say_count, template
from sparseseg.session.progress import TimeLeft
from sparseseg.widgets import object_work
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.object_form import ObjectForm
from sparseseg.widgets.object_table import ObjectTable
from sparseseg.widgets.prediction_saving import FILES
from sparseseg.widgets.stepwise import Steps, Stepwise

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray
    from qtpy.QtGui import QCloseEvent

    from sparseseg.data.volume import Volume
    from sparseseg.postprocessing.objects import Measurements
    from sparseseg.postprocessing.objects.instances import Found
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.seat import Seat


class ObjectsPanel(QWidget):
    """Find, measure and save the objects of a prediction, in a thread.

    Objects are a layer of their own. Those that were there before come back with Undo.
    """

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._worker = Stepwise("objects")
        self._end: Callable[[Any], None] = print
        self.fold = FoldButton(say("Objects and surfaces"), _FOLD)
        self.form = ObjectForm()
        self.find = self._button(say("Find objects"), _FIND, self._find)
        self.measure = self._button(say("Measure"), _MEASURE, self._measure)
        self.save = self._button(
            say("Save objects\N{HORIZONTAL ELLIPSIS}"), _SAVE, self._save
        )
        self.mesh = self._button(
            say("Save surfaces\N{HORIZONTAL ELLIPSIS}"), _MESH, self._mesh
        )
        self.cancel = self._button(say("Cancel"), _CANCEL, self._cancel)
        self.running = QWidget()
        self.bar = JobProgress()
        self._left = TimeLeft()
        self.table = ObjectTable(self, messages)
        self.table.chosen.connect(self._go_to)
        self._build()
        self._worker.progress.connect(self._show_progress)
        self._worker.done.connect(self._show_end)
        self._worker.failed.connect(self._show_failure)
        desk.state_changed.connect(self._show_possible)
        self._show_busy(busy=False)

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread and the table."""
        self._worker.close()
        self.table.close()
        super().closeEvent(event)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        buttons = QWidget()
        grid = QGridLayout(buttons)
        grid.setContentsMargins(0, 0, 0, 0)
        for place, button in enumerate((self.find, self.measure, self.save, self.mesh)):
            grid.addWidget(button, place // 2, place % 2)
        line = QGridLayout(self.running)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.bar, 0, 0)
        line.addWidget(self.cancel, 0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.fold, self.form, buttons, self.running):
            layout.addWidget(widget)
        self.fold.fold(self.form, buttons)

    def _find(self) -> None:
        labels, volume = self._prediction()
        work = partial(object_work.objects_of, labels, volume, self.form.objects)
        self._start(work, partial(self._show_objects, self._desk.link.arrays))

    def _measure(self) -> None:
        _, volume = self._prediction()
        instances, seat = self._instances(), self._desk.link.seat
        assert seat is not None, "objects belong to an open image"
        work = partial(object_work.measured, instances, seat.object_classes, volume)
        self._start(work, partial(self._show_table, self._desk.link.arrays))

    def _save(self) -> None:
        _, volume = self._prediction()
        instances = self._instances()
        path, _ = QFileDialog.getSaveFileName(
            self, say("Save objects"), "objects.tif", FILES
        )
        if path:
            check_overwrites([Path(path)], self._desk.link.files)
            work = partial(object_work.written, instances, volume, Path(path))
            self._start(work, partial(self._tell_file, _new([Path(path)])))

    def _mesh(self) -> None:
        labels, volume = self._prediction()
        folder = QFileDialog.getExistingDirectory(self, say("Folder for the surfaces"))
        if not folder:
            return
        names = {entry.number: entry.name for entry in self._desk.classes.table.classes}
        ending = self.form.ending.currentText()
        paths = object_work.surface_paths(labels, names, Path(folder), ending)
        work = partial(object_work.surfaces, labels, volume, paths, self.form.surfaces)
        self._start(work, partial(self._tell_files, _new(paths.values())))

    def _prediction(self) -> "tuple[NDArray[np.uint8], Volume]":
        """Return a copy of the labels that are shown: cleaned up where they were."""
        link, cleaned = self._desk.link, self._desk.results.cleaned
        if link.arrays is None or link.volume is None:
            raise UserError(object_work.NOTHING)
        if cleaned is not None and cleaned in self._desk.viewer.layers:
            return np.asarray(cleaned.data).copy(), link.volume
        return link.arrays.prediction.copy(), link.volume

    def _instances(self) -> "NDArray[Any]":
        layer = self._desk.results.objects
        if layer is None or layer not in self._desk.viewer.layers:
            raise UserError(_NO_OBJECTS)
        return np.asarray(layer.data)

    def _start(self, work: Callable[[], Steps], end: Callable[[Any], None]) -> None:
        self._end = end
        self._left = TimeLeft()
        self.bar.show_share(0.0, None)
        self._show_busy(busy=True)
        self._worker.start(work)

    def _cancel(self) -> None:
        self._worker.cancel()
        self._show_busy(busy=False)

    def _show_objects(self, arrays: object, found: "Found") -> None:
        seat = self._desk.link.seat
        if seat is None or seat.arrays is not arrays:
            return  # of an image that was left meanwhile
        before, classes = seat.objects, seat.object_classes
        self._desk.results.show_objects(found.instances)
        seat.object_classes = found.classes
        count = len(found.classes)
        words = say_count(
            "{count} object was found.", "{count} objects were found.", count
        )
        if found.left_out:
            words = f"{words} {_too_small(found.left_out)}"
        undo = partial(self._undo, seat, before, classes)
        self._messages.offer(words, say("Undo"), undo)

    def _undo(self, seat: "Seat", before: Any, classes: Any) -> None:
        if seat is self._desk.link.seat:
            seat.object_classes = classes
            self._desk.results.bring_back_objects(before)

    def _show_table(self, arrays: object, found: "Measurements") -> None:
        if arrays is not self._desk.link.arrays:
            return
        layer, before = self._desk.results.objects, self.table.found
        if layer is not None:
            words = say_count(
                "{count} object was measured.",
                "{count} objects were measured.",
                len(found),
            )
            undo = partial(self._unmeasure, layer, layer.features.copy(), before)
            layer.features = {"index": found.columns["object"], **found.columns}
            self._messages.offer(words, say("Undo"), undo)
        self.table.show_found(found)

    def _unmeasure(
        self, layer: "Labels", features: Any, before: "Measurements | None"
    ) -> None:
        layer.features = features
        self.table.show_found(before)

    def _tell_file(self, new: list[Path], path: Path) -> None:
        self._offer_removal(say("The objects were saved to {path}.", path=path), new)

    def _tell_files(self, new: list[Path], paths: list[Path]) -> None:
        words = say_count(
            "{count} surface was saved to {folder}.",
            "{count} surfaces were saved to {folder}.",
            len(paths),
            folder=paths[0].parent,
        )
        self._offer_removal(words, new)

    def _offer_removal(self, words: str, new: list[Path]) -> None:
        """Tell of files; those that were not there before can be removed again."""
        if new:
            self._messages.offer(words, say("Undo"), partial(_remove, new))
        else:
            self._messages.confirm(words)

    def _go_to(self, number: int, z: float, y: float, x: float) -> None:
        """Show an object, and choose its number."""
        layer = self._desk.results.objects
        if layer is None or layer not in self._desk.viewer.layers:
            return
        layer.selected_label = number
        with self._messages.catching():
            self._desk.painter.go_to_voxel((round(z), round(y), round(x)))

    def _show_progress(self, share: float) -> None:
        self.bar.show_share(share, self._left.update(share, time.monotonic()))

    def _show_end(self, result: object) -> None:
        self._show_busy(busy=False)
        with self._messages.catching():
            self._end(result)

    def _show_failure(self, words: str) -> None:
        self._show_busy(busy=False)
        self._messages.error(words)

    def _show_busy(self, *, busy: bool) -> None:
        self._is_busy = busy
        self.running.setVisible(busy)
        self._show_possible()

    def _show_possible(self, _state: object = None) -> None:
        state = self._desk.state
        for button, tip in ((self.find, _FIND), (self.mesh, _MESH)):
            show_reason(button, tip, state.reason("divide"))
        for button, tip in ((self.measure, _MEASURE), (self.save, _SAVE)):
            show_reason(button, tip, state.reason("measure"))
        if self._is_busy:
            for button in (self.find, self.measure, self.save, self.mesh):
                button.setEnabled(False)


def _new(paths: Iterable[Path]) -> list[Path]:
    """Return those that are not there yet: what is replaced cannot come back."""
    return [path for path in paths if not path.exists()]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():  # a Zarr store
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _too_small(count: int) -> str:
    return say_count(
        "{count} smaller one was left out.",
        "{count} smaller ones were left out.",
        count,
    )


_NO_OBJECTS = template("There are no objects yet: press Find objects first.")
_FOLD = say("Show or hide objects, measurements and surfaces")
_FIND = say("Tell the objects of the prediction apart; they are a layer of their own")
_MEASURE = say(
    "Measure volume, surface, diameters, place, grey values and contacts of all objects; "
    "a click on a row of the table goes to the object"
)
_SAVE = say("Write the objects, each with a number of its own, into a file")
_MESH = say("Write the surface of each class of the prediction as triangles")
_CANCEL = say("Stop what is under way; what was there before stays")
