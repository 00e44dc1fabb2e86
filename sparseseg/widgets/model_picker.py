"""The picker: which models there are, whether they fit this image, and their use."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.store.entries import entries
from sparseseg.models.store.folder import path_of, remove, stored
from sparseseg.widgets.asking import BEFORE_LOADING, may_lose_model
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.command import CommandProcess
from sparseseg.widgets.geometry import check_image, spacing_of
from sparseseg.widgets.messages import MessageArea
from sparseseg.widgets.model_words import Pick, card, fit_words, fits, line
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent

    from sparseseg.widgets.desk import Desk

_SAMPLED = 200_000


class ModelPicker(QDialog):
    """Choose a model, fetch it, try it on three slices, predict or start from it.

    `parent_chosen` gives id and recipe of the model that the next training starts from.
    """

    parent_chosen = Signal(str, str)

    def __init__(self, desk: "Desk", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(say("Models"))
        self._desk = desk
        self._picks: dict[str, Pick] = {}
        self.messages = MessageArea()
        self.command = CommandProcess(self)
        self.word = QLineEdit(placeholderText=say("organ, class or name"))
        self.modality = _choice(_MODALITIES, say("The kind of image"))
        self.commercial = _choice(_USES, say("Is commercial use allowed?"))
        self.here = QCheckBox(say("here only"))
        self.list = QListWidget()
        self.card = text_label(role="hint")
        self.fit = text_label(role="plain")
        self.bar = QProgressBar()
        self._make_buttons()
        self._build()
        self._connect()
        self.refresh()

    @property
    def chosen(self) -> Pick | None:
        """The model that is selected."""
        item = self.list.currentItem()
        return self._picks.get(item.data(Qt.ItemDataRole.UserRole)) if item else None

    def refresh(self) -> None:
        """List the models anew, those that are here first."""
        with self.messages.catching():
            here = {model.id: model for model in stored()}
            known = entries()
            self._picks = {
                name: Pick(name, known.get(name), here.get(name))
                for name in sorted({*known, *here}, key=lambda n: (n not in here, n))
            }
        self._filter()

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End a download with its window."""
        self.command.close()
        super().closeEvent(event)

    def _make_buttons(self) -> None:
        self.download = self._button(say("Download"), _DOWNLOAD, self._download)
        self.cancel = self._button(say("Cancel"), _CANCEL, self.command.stop)
        self.importing = self._button(
            say("Import\N{HORIZONTAL ELLIPSIS}"), _IMPORT, self._import
        )
        self.remove = self._button(say("Remove"), _REMOVE, self._remove)
        self.try_out = self._button(say("Try on three slices"), _TRY, self._try)
        self.predict = self._button(say("Predict volume"), _PREDICT, self._predict)
        self.start = self._button(say("Start training from it"), _START, self._start)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self.messages)

    def _build(self) -> None:
        self.here.setToolTip(say("Only models that are in the store"))
        self.word.setToolTip(say("Show models with this organ, class or name"))
        self.bar.hide()
        filters = QHBoxLayout()
        for widget in (self.word, self.modality, self.commercial, self.here):
            filters.addWidget(widget)
        grid = QGridLayout()
        for place, button in enumerate(
            (self.download, self.cancel, self.importing, self.remove)
        ):
            grid.addWidget(button, 0, place)
        use = QHBoxLayout()
        for button in (self.try_out, self.predict, self.start):
            use.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.messages)
        layout.addLayout(filters)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.card)
        layout.addWidget(self.fit)
        layout.addWidget(self.bar)
        layout.addLayout(grid)
        layout.addLayout(use)
        self.resize(620, 620)

    def _connect(self) -> None:
        self.word.textChanged.connect(self._filter)
        for box in (self.modality, self.commercial):
            box.currentIndexChanged.connect(self._filter)
        self.here.toggled.connect(self._filter)
        self.list.currentItemChanged.connect(self._show)
        self.command.told.connect(self._show_progress)
        self.command.ended.connect(self._show_end)

    def _filter(self) -> None:
        kept = self.chosen
        self.list.clear()
        for pick in self._picks.values():
            if fits(
                pick,
                word=self.word.text().strip(),
                modality=self.modality.currentData(),
                commercial=self.commercial.currentData(),
                here=self.here.isChecked(),
            ):
                item = QListWidgetItem(line(pick))
                item.setData(Qt.ItemDataRole.UserRole, pick.id)
                item.setToolTip(pick.id)
                self.list.addItem(item)
                if kept and pick.id == kept.id:
                    self.list.setCurrentItem(item)
        if self.list.currentItem() is None and self.list.count():
            self.list.setCurrentRow(0)
        self._show()

    def _show(self) -> None:
        pick = self.chosen
        self.card.setText(card(pick) if pick else say("No model fits these filters."))
        words, warns = ("", False) if pick is None else fit_words(pick, *self._image())
        self.fit.setText(words)
        self.fit.setProperty("role", "remark" if warns else "plain")
        self.fit.style().polish(self.fit)
        is_here = pick is not None and pick.stored is not None
        busy = self.command.is_running
        has_image = self._desk.link.image is not None
        self.download.setEnabled(pick is not None and not is_here and not busy)
        self.cancel.setEnabled(busy)
        self.importing.setEnabled(not busy)
        self.remove.setEnabled(is_here and not busy)
        for button in (self.try_out, self.predict):
            button.setEnabled(is_here and has_image)
        self.start.setEnabled(is_here)

    def _image(self) -> Any:
        """Return voxel size, unit and range of the image that is chosen."""
        layer = self._desk.link.image
        if layer is None:
            return None, "", None
        try:
            check_image(layer)
        except UserError:
            return None, "", None
        spacing, unit = spacing_of(layer)
        flat = np.asarray(layer.data).reshape(-1)
        sample = flat[:: max(1, flat.size // _SAMPLED)]
        low, high = np.percentile(sample, (0.5, 99.5))
        return spacing, unit, (float(low), float(high))

    def _download(self) -> None:
        pick = self.chosen
        if pick is None or pick.entry is None or not self._accepted(pick):
            return
        self._run(["models", "download", pick.id, "--accept-licence", "--lines"])

    def _accepted(self, pick: Pick) -> bool:
        """Ask whether the terms of a model are kept, where it has such."""
        if pick.commercial == "yes" or pick.entry is None:
            return True
        licence = pick.entry.licence
        question = say(
            "{title}\n\nWeights: {weights}\nData: {data}\n\n",
            title=pick.title,
            weights=licence.weights,
            data=licence.data,
        ) + (
            say("This model is not for commercial use. Do you accept this?")
            if pick.commercial == "no"
            else say("It is unclear if you may use it commercially. Download it?")
        )
        answer = QMessageBox.question(self, say("Licence"), question)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, say("Import a model"), "", _FILES)
        if path:
            # Of nnU-Net any file of its folder stands for all of it.
            known = {"plans.json", "dataset.json", "plans.pkl"}
            chosen = Path(path).parent if Path(path).name in known else Path(path)
            self._run(["models", "import", str(chosen), "--json"])

    def _remove(self) -> None:
        if self.chosen is not None:
            remove(self.chosen.id)
            self.refresh()

    def _try(self) -> None:
        if not self._load():
            return
        volume = self._desk.link.volume
        assert volume is not None
        z, y, x = (side // 2 for side in volume.shape)
        self._desk.session.predict(at=(z, y, x))
        self.messages.note(say("Three slices through the middle are being predicted."))

    def _predict(self) -> None:
        if self._load():
            self._desk.session.predict()

    def _start(self) -> None:
        if self.chosen is not None:
            self._desk.take_classes(self.chosen.table)
            self.parent_chosen.emit(self.chosen.id, self.chosen.recipe)
            self.messages.confirm(say("The next training starts from this model."))

    def _load(self) -> bool:
        """Load the chosen model, unless that would lose one that the user keeps."""
        pick = self.chosen
        assert pick is not None
        if not may_lose_model(self, self._desk, BEFORE_LOADING):
            return False
        self._desk.load_model(path_of(pick.id))
        return True

    def _run(self, words: list[str]) -> None:
        self.bar.setRange(0, 0)
        self.bar.show()
        self.command.start(words)
        self._show()

    def _show_progress(self, told: dict[str, Any]) -> None:
        if told.get("total"):
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(1000 * told["done"] / told["total"]))
            self.bar.setFormat(
                say(
                    "{done} of {total} MB",
                    done=told["done"] >> 20,
                    total=told["total"] >> 20,
                )
            )

    def _show_end(self, failure: str) -> None:
        self.bar.hide()
        if failure:
            self.messages.error(failure)
        self.refresh()


def _choice(entries_: dict[str, str], tip: str) -> QComboBox:
    box = QComboBox()
    for value, words in entries_.items():
        box.addItem(words, value)
    box.setToolTip(tip)
    return box


_MODALITIES = {"": say("all images"), "CT": "CT", "MR": "MR", "EM": "EM"}
_USES = {
    "": say("any licence"),
    "yes": say("commercial"),
    "unclear": say("unclear"),
    "no": say("research"),
}
_FILES = say("Models (*.safetensors *.zip *.pth plans.json plans.pkl);;All files (*)")
_DOWNLOAD = say("Download the model into the store; an interrupted download continues")
_CANCEL = say(
    "Stop the download; the part that came stays, and another download continues"
)
_IMPORT = say(
    "Put a model that you downloaded into the store: a file, an archive, or "
    "plans.json in the folder of an nnU-Net"
)
_REMOVE = say("Remove the model from the store")
_TRY = say("Predict the three slices through the middle, before the whole volume")
_PREDICT = say("Predict every voxel of the volume with this model")
_START = say("Let the next training begin with this model's weights")
