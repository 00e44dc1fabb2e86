"""The form of a batch: all that the command takes, with the words of its declaration."""

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from sparseseg.batch.settings import BatchSettings
from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.models.store.folder import stored
from sparseseg.postprocessing import FORMS
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.fold import FoldButton

if TYPE_CHECKING:
    from sparseseg.widgets.messages import MessageArea

_ENDINGS = ("", ".nii.gz", ".tif", ".ome.tif", ".nrrd", ".h5", ".zarr", ".dcm")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_LINES = 3


class BatchForm(QWidget):
    """One widget for each field of `BatchSettings`, by its name.

    What is seldom needed is folded away.
    """

    def __init__(self, messages: "MessageArea") -> None:
        super().__init__()
        self._messages = messages
        self.model = QComboBox(editable=True)
        self.folder, self.output, self.truth = QLineEdit(), QLineEdit(), QLineEdit()
        self.pattern, self.memory = QLineEdit("*"), QLineEdit("4GB")
        self.ending, self.device = QComboBox(), QComboBox(editable=True)
        self.uncertainty = QCheckBox(say("uncertainty as well"))
        self.anew = QCheckBox(say("predict all again"))
        self.times = QCheckBox(say("each point of time"))
        self.clean, self.options = QPlainTextEdit(), QLineEdit()
        self.scheduler = QLineEdit()
        self.fold = FoldButton(say("More options"), say("Show or hide more options"))
        self._build()
        self.refresh_models()

    def settings(self) -> BatchSettings:
        """Return what the form says; raise `UserError` for what is missing or wrong."""
        given = {
            "model": self.model.currentText().strip(),
            "folder": self.folder.text().strip(),
            "output": self.output.text().strip(),
        }
        for name, value in given.items():
            if not value:
                raise UserError(_WANTED[name])
        lines = self.clean.toPlainText().splitlines()
        return BatchSettings(
            **given,
            pattern=self.pattern.text().strip() or "*",
            ending=str(self.ending.currentData()),
            memory=self.memory.text().strip(),
            truth=self.truth.text().strip(),
            uncertainty=self.uncertainty.isChecked(),
            resume=not self.anew.isChecked(),
            times=self.times.isChecked(),
            clean=tuple(line.strip() for line in lines if line.strip()),
            options=_options(self.options.text()),
            device=self.device.currentText().strip() or "auto",
            scheduler=self.scheduler.text().strip(),
        )

    def refresh_models(self) -> None:
        """Offer the models that are here; a path may be given as well."""
        chosen = self.model.currentText()
        self.model.clear()
        self.model.addItems([model.id for model in stored()])
        self.model.setEditText(chosen or self.model.itemText(0))

    def _build(self) -> None:
        for ending in _ENDINGS:
            self.ending.addItem(ending or say("as the image"), ending)
        self.device.addItems(_DEVICES)
        self.truth.setPlaceholderText(
            say("optional; with truths, the report has scores")
        )
        self.clean.setPlaceholderText("\n".join((say("One rule a line:"), FORMS[0])))
        self.clean.setFixedHeight(_LINES * self.clean.fontMetrics().lineSpacing())
        self.options.setPlaceholderText(say("such as mirror=false"))
        self.scheduler.setPlaceholderText(say("such as local:4; empty: one process"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        more = QWidget()
        for widget, rows in ((None, self._first()), (more, self._more())):
            form = QFormLayout(widget)
            form.setContentsMargins(0, 0, 0, 0)
            for words, field in rows:
                form.addRow(words, field)
            if widget is None:
                layout.addLayout(form)
        layout.addWidget(self.fold)
        layout.addWidget(more)
        self.fold.fold(more)
        self._explain()

    def _first(self) -> list[tuple[str, QWidget]]:
        return [
            (say("Model"), beside(self.model, self._browse(self.model, files=True))),
            (say("Volumes"), beside(self.folder, self._browse(self.folder))),
            (say("Pattern"), self.pattern),
            (say("Predictions"), beside(self.output, self._browse(self.output))),
            (say("Written as"), self.ending),
            (say("Truths"), beside(self.truth, self._browse(self.truth))),
            (say("Memory"), self.memory),
            ("", beside(self.uncertainty, self.anew)),
        ]

    def _more(self) -> list[tuple[str, QWidget]]:
        return [
            (say("Rules"), self.clean),
            (say("Options"), self.options),
            (say("Device"), self.device),
            (say("Processes"), self.scheduler),
            (say("Series"), self.times),
        ]

    def _explain(self) -> None:
        """Give each widget the words that the command line has for it."""
        hints = get_type_hints(BatchSettings, include_extras=True)
        for name, hint in hints.items():
            widget = self.anew if name == "resume" else getattr(self, name)
            widget.setToolTip(get_args(hint)[1]["help"])
        self.anew.setToolTip(say("Predict all volumes again, also those that are done"))

    def _browse(self, target: Any, *, files: bool = False) -> QPushButton:
        def choose() -> None:
            if files:
                path, _ = QFileDialog.getOpenFileName(self, say("Model"), "", _MODELS)
            else:
                path = QFileDialog.getExistingDirectory(self, say("Folder"))
            if path:
                setter = target.setEditText if files else target.setText
                setter(path)

        return action_button(
            "\N{HORIZONTAL ELLIPSIS}", say("Choose"), choose, messages=self._messages
        )


def beside(*widgets: QWidget) -> QWidget:
    """Return widgets in a row, of which the first one takes the room."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if place == 0 else 0)
    return row


def _options(words: str) -> dict[str, str]:
    """Read NAME=VALUE NAME=VALUE."""
    found = {}
    for word in words.split():
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise UserError("an option is NAME=VALUE, got {words!r}", words=word)
        found[name] = value
    return found


_WANTED = {
    "model": template("choose the model first"),
    "folder": template("choose the folder with the volumes first"),
    "output": template("choose the folder for the predictions first"),
}
_MODELS = say("Models (*.safetensors *.zip *.pth);;All files (*)")
