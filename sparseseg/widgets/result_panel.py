"""Step 5: the prediction, and the model that made it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from sparseseg.events import Phase
from sparseseg.session import POSSIBLE
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.depth_slider import DepthSlider
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.events import Progress
    from sparseseg.session import Session
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.painting import Painter
    from sparseseg.widgets.relay import Relay

_ENDING = ".safetensors"
_FILTER = f"Model (*{_ENDING})"


class ResultPanel(QWidget):
    """Predict the volume, take predictions over, save and load models."""

    def __init__(
        self,
        session: "Session",
        relay: "Relay",
        link: "LayerLink",
        painter: "Painter",
        messages: "MessageArea",
    ) -> None:
        super().__init__()
        self._session = session
        self._link = link
        self._painter = painter
        self._messages = messages
        self.predict = self._button("Predict volume", _PREDICT, self._predict)
        self.accept = self._button(
            "Accept prediction on this slice", _ACCEPT, self._accept
        )
        self.save = self._button("Save model\N{HORIZONTAL ELLIPSIS}", _SAVE, self._save)
        self.load = self._button("Load model\N{HORIZONTAL ELLIPSIS}", _LOAD, self._load)
        self.depth = DepthSlider(session, relay, messages)
        self.progress = JobProgress()
        self._build()
        relay.phase.connect(self._show_phase)
        relay.progress.connect(self._show_progress)
        relay.saved.connect(self._show_saved)
        self._show_phase(session.phase)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.predict)
        layout.addWidget(self.depth)
        layout.addWidget(self.progress)
        layout.addWidget(self.accept)
        grid = QGridLayout()
        grid.addWidget(self.save, 0, 0)
        grid.addWidget(self.load, 0, 1)
        layout.addLayout(grid)
        layout.addWidget(text_label(_HINT, "hint"))

    def _predict(self) -> None:
        self._open()
        self._session.predict()

    def _open(self) -> None:
        if self._link.arrays is None:
            self._link.annotate()

    def _accept(self) -> None:
        taken = self._painter.accept()
        view = self._painter.view
        if not taken:
            self._messages.confirm(f"Slice {view} has no unlabelled voxels left.")

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save model", "", _FILTER)
        if path:
            self._session.save(Path(path.removesuffix(_ENDING) + _ENDING))

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load model", "", _FILTER)
        if path:
            self._open()
            self._session.load(Path(path))

    def _show_phase(self, phase: Phase) -> None:
        self.predict.setEnabled(phase in POSSIBLE["predict"])
        self.save.setEnabled(phase in POSSIBLE["save"])
        self.load.setEnabled(phase in POSSIBLE["load"])
        if phase is not Phase.PREDICTING:
            self.progress.hide()

    def _show_progress(self, progress: "Progress") -> None:
        if progress.job == "predict":
            self.progress.show_progress(progress)

    def _show_saved(self, path: str) -> None:
        self._messages.confirm(f"The model was saved to {path}.")


_HINT = (
    "While a model is there, the visible slice is predicted again and again. "
    "The uncertainty layer is hidden until you show it."
)
_PREDICT = "Predict every voxel of the volume into the prediction layer"
_ACCEPT = (
    "Label what is still unlabelled on the visible slice as predicted, then correct "
    "it by hand; Ctrl+Z undoes it"
)
_SAVE = "Write the model to a .safetensors file"
_LOAD = "Read a model from a .safetensors file"
