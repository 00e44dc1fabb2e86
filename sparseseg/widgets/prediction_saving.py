"""The prediction of the chosen image saved as a file like the image's own."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from sparseseg.data.files import check_output, write_labels
from sparseseg.data.formats import stem_of
from sparseseg.data.overwriting import check_overwrites
from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.widgets.background import Background
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.writers import ending_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.classes import ClassTable
    from sparseseg.data.volume import Volume
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea


class PredictionSaving(QObject):
    """Ask for a file, and write the labels that are shown into it, in a thread."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._worker = Background("prediction")
        self._worker.done.connect(self._tell)
        self._worker.failed.connect(messages.error)

    def ask(self, parent: QWidget) -> None:
        """Ask where to; raises `UserError` for a name that cannot be written."""
        link = self._desk.link
        if link.image is None or link.volume is None:
            raise UserError(_NOTHING)
        facts = facts_in(link.image.metadata)
        source = facts.path if facts else None
        chosen, _ = QFileDialog.getSaveFileName(
            parent,
            say("Save prediction"),
            str(_proposed(source, link.image.name)),
            FILES,
        )
        if not chosen:
            return
        path = Path(chosen)
        check_output(path, like=link.volume)
        check_overwrites([path], link.files)
        table = self._desk.classes.table
        self._worker.start(partial(_written, path, self._shown(), link.volume, table))

    def close(self) -> None:
        """Wait for what is being written."""
        self._worker.close()

    def _shown(self) -> "NDArray[np.uint8]":
        """Return the labels that are shown: cleaned up where they were."""
        arrays, cleaned = self._desk.link.arrays, self._desk.results.cleaned
        if arrays is None:
            raise UserError(_NOTHING)
        if cleaned is not None and cleaned in self._desk.viewer.layers:
            return np.asarray(cleaned.data)
        return arrays.prediction

    def _tell(self, path: Path) -> None:
        self._messages.confirm(say("The prediction was saved to {path}.", path=path))


def _proposed(source: Path | None, name: str) -> Path:
    """Return a file beside the image, in its format; without a file one at home."""
    if source is None:
        return Path.home() / f"{name}-prediction{ending_like(None)}"
    return source.with_name(f"{stem_of(source)}-prediction{ending_like(source)}")


def _written(
    path: Path, labels: "NDArray[np.uint8]", volume: "Volume", table: "ClassTable"
) -> Path:
    write_labels(path, labels.copy(), volume, table=table)
    return path


FILES = say("Images (*.tif *.nii.gz *.nrrd *.h5 *.zarr *.mrc);;All files (*)")
_NOTHING = template("There is no prediction yet: press Predict volume first.")
