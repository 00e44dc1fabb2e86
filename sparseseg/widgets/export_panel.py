"""The model for other programs: what it becomes, and where it is written."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from sparseseg.data.overwriting import check_overwrites
from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.session.events import Exports
from sparseseg.settings.exports import ENDINGS, ExportSettings
from sparseseg.widgets.asking import ENDING
from sparseseg.widgets.batch_form import beside
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.command import CommandProcess
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.state import State

_FORMATS = {
    "onnx": "ONNX",
    "bioimageio": "BioImage.IO",
    "nnunet": "nnU-Net 2",
}


class ExportForm(QWidget):
    """One widget for each field of `ExportSettings`, with the words of the command."""

    def __init__(self) -> None:
        super().__init__()
        self.format = QComboBox()
        for name, words in _FORMATS.items():
            self.format.addItem(words, name)
        self.patch = QLineEdit(ExportSettings().patch)
        self.authors, self.licence = QLineEdit(), QLineEdit()
        self.authors.setPlaceholderText(say("such as A. Maker; B. Maker"))
        self.licence.setPlaceholderText(say("such as CC-BY-4.0"))
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(say("Format"), self.format)
        form.addRow(say("Patch"), self.patch)
        form.addRow(say("Authors"), self.authors)
        form.addRow(say("Licence"), self.licence)
        for name, hint in get_type_hints(ExportSettings, include_extras=True).items():
            getattr(self, name).setToolTip(get_args(hint)[1]["help"])
        self.format.currentIndexChanged.connect(self._show_needed)
        self._show_needed()

    def settings(self) -> ExportSettings:
        """Return what the form says; raise `UserError` for what is missing or wrong."""
        authors = (author.strip() for author in self.authors.text().split(";"))
        found = ExportSettings(
            format=self.format.currentData(),
            patch=self.patch.text().strip(),
            authors=tuple(filter(None, authors)),
            licence=self.licence.text().strip(),
        )
        found.check_named(authors=say("Authors"), licence=say("Licence"))
        return found

    def _show_needed(self) -> None:
        chosen = self.format.currentData()
        self.patch.setEnabled(chosen != "nnunet")
        for field in (self.authors, self.licence):
            field.setEnabled(chosen == "bioimageio")


class ExportPanel(QWidget):
    """Write the model in use for other programs, by the command, in its own process.

    The model is copied to a folder that goes at the end, where the command reads it.
    """

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._folder: Path | None = None
        self._target = Path()
        self._is_new = False
        self._words: list[str] = []
        self._exports = Exports()
        self.command = CommandProcess(self)
        self.form = ExportForm()
        self.fold = FoldButton(say("Model for other programs"), _FOLD)
        self.export = action_button(
            say("Export\N{HORIZONTAL ELLIPSIS}"),
            _EXPORT,
            self._export,
            messages=messages,
        )
        self.obstacle = text_label(role="remark")
        self.cancel = action_button(
            say("Cancel"), _CANCEL, self.command.stop, messages=messages
        )
        self.running, self.bar = QWidget(), JobProgress()
        self._build()
        desk.relay.copied.connect(self._start)
        desk.relay.failed.connect(self._forget)
        desk.relay.exports.connect(self._take_exports)
        desk.state_changed.connect(self._show_state)
        self.form.format.currentIndexChanged.connect(self._show_chosen)
        self.fold.toggled.connect(self._show_chosen)
        self.command.told.connect(self._tell)
        self.command.ended.connect(self._show_end)
        self._show_state(desk.state)

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the command with its panel."""
        self.command.close()
        self._forget()
        super().closeEvent(event)

    def _build(self) -> None:
        rows = QVBoxLayout(self.running)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(beside(self.bar, self.cancel))
        rows.addWidget(text_label(_LONG, "hint"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.fold,
            self.form,
            self.obstacle,
            self.export,
            self.running,
        ):
            layout.addWidget(widget)
        self.fold.fold(self.form, self.obstacle, self.export)

    def _export(self) -> None:
        settings = self.form.settings()
        ending = ENDINGS[settings.format]
        name = f"{Path(self._desk.state.image).stem or 'model'}{ending or '-nnunet'}"
        path, _ = QFileDialog.getSaveFileName(
            self, say("Export the model"), str(Path.home() / name), f"*{ending}"
        )
        if not path:
            return
        self._target = Path(path.removesuffix(ending) + ending)
        check_overwrites([self._target], self._desk.link.files)
        if not ending and self._target.exists():
            raise UserError(_THERE, path=self._target)
        self._is_new = not self._target.exists()
        self._folder = Path(tempfile.mkdtemp(prefix="sparseseg-"))
        self._words = _words(settings, self._target)
        self._desk.session.copy(self._folder / f"model{ENDING}")
        self._show_state(self._desk.state)

    def _start(self, path: str) -> None:
        if self._folder is not None and Path(path).parent == self._folder:
            self.command.start(["models", "export", path, *self._words, "--json"])
            self._show_state(self._desk.state)

    def _tell(self, told: dict[str, Any]) -> None:
        if "path" not in told:
            return
        words = say("The model was exported to {path}.", path=self._target)
        if told.get("differing"):
            words += " " + say(
                "Of {voxels} voxels of an example, {differing} get another label.",
                voxels=told["voxels"],
                differing=told["differing"],
            )
        if self._is_new:
            undo = partial(_removed, self._target)
            self._messages.offer(words, say("Undo"), undo)
        else:
            self._messages.confirm(words)

    def _show_end(self, failure: str) -> None:
        if failure:
            self._messages.error(failure)
        self._forget()

    def _forget(self, _failure: object = None) -> None:
        """Remove the copy of the model, unless the command still reads it."""
        if self._folder is not None and not self.command.is_running:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._show_state(self._desk.state)

    def _take_exports(self, exports: Exports) -> None:
        self._exports = exports
        self._show_chosen()

    def _show_chosen(self, _chosen: object = None) -> None:
        self._show_state(self._desk.state)

    def _show_state(self, state: "State") -> None:
        is_busy = self._folder is not None
        chosen = self.form.format.currentData()
        obstacle = self._exports.obstacles.get(chosen, "") if state.has_model else ""
        reason = state.reason("save") or obstacle
        show_reason(self.export, _EXPORT, _UNDER_WAY if is_busy else reason)
        self.obstacle.setText(obstacle)
        self.obstacle.setVisible(self.fold.isChecked() and bool(obstacle))
        self.running.setVisible(is_busy)
        self.export.setVisible(self.fold.isChecked() and not is_busy)
        self.cancel.setEnabled(self.command.is_running)
        if is_busy:
            self.bar.show_unknown()


def _words(settings: ExportSettings, target: Path) -> list[str]:
    """Return the flags of the command that say the same."""
    words = ["--format", settings.format, "--patch", settings.patch, "-o", str(target)]
    for author in settings.authors:
        words.append(f"--author={author}")
    return [*words, f"--licence={settings.licence}"]


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_FOLD = say("Show or hide what writes the model for other programs")
_EXPORT = say(
    "Write the model in use as ONNX, a package of BioImage.IO, or for nnU-Net"
)
_LONG = say("The export takes a minute or more. You can work on meanwhile.")
_CANCEL = say("Stop the export; nothing is written")
_UNDER_WAY = say("An export is under way: wait for it, or cancel it.")
_THERE = template("{path} is there already: choose another name for the folder")
