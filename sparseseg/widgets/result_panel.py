"""Step 4: the prediction, and the model that made it."""

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

from sparseseg.language import say
from sparseseg.session.events import Phase
from sparseseg.widgets.asking import (
    BEFORE_LOADING,
    MODEL_FILES,
    ask_where_to_save,
    may_lose_model,
)
from sparseseg.widgets.buttons import action_button, show_reason
from sparseseg.widgets.depth_slider import DepthSlider
from sparseseg.widgets.job_progress import JobProgress
from sparseseg.widgets.prediction_saving import PredictionSaving
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.session.events import Progress
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.state import State


class ResultPanel(QWidget):
    """Predict the volume, take predictions over, save and load models."""

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._session = desk.session
        self._messages = messages
        self.predict = self._button(say("Predict volume"), _PREDICT, self._predict)
        self.accept = self._button(
            say("Accept prediction on this slice"), _ACCEPT, self._accept
        )
        self.saving = PredictionSaving(desk, messages)
        self.export = self._button(
            say("Save prediction\N{HORIZONTAL ELLIPSIS}"), _EXPORT, self._export
        )
        self.save = self._button(
            say("Save model\N{HORIZONTAL ELLIPSIS}"), _SAVE, self._save
        )
        self.load = self._button(
            say("Load model\N{HORIZONTAL ELLIPSIS}"), _LOAD, self._load
        )
        self.depth = DepthSlider(desk.session, desk.relay, messages)
        self.progress = JobProgress()
        self._build()
        desk.relay.progress.connect(self._show_progress)
        desk.relay.saved.connect(self._show_saved)
        desk.relay.loaded.connect(self._show_loaded)
        desk.state_changed.connect(self._show_state)
        self._show_state(desk.state)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.predict)
        layout.addWidget(self.depth)
        layout.addWidget(self.progress)
        layout.addWidget(self.accept)
        layout.addWidget(self.export)
        grid = QGridLayout()
        grid.addWidget(self.save, 0, 0)
        grid.addWidget(self.load, 0, 1)
        layout.addLayout(grid)
        layout.addWidget(text_label(_HINT, "hint"))

    def _predict(self) -> None:
        self._desk.link.open()
        self._session.predict()

    def _accept(self) -> None:
        view = self._desk.painter.view

        def say_if_full(labelled: int) -> None:
            if not labelled:
                self._messages.confirm(
                    say("Slice {view} has no unlabelled voxels left.", view=view)
                )

        self._desk.filling.predicted(say_if_full)

    def _export(self) -> None:
        self.saving.ask(self)

    def _save(self) -> None:
        if (path := ask_where_to_save(self, self._desk.state.image)) is not None:
            self._session.save(path)

    def _load(self) -> None:
        if not may_lose_model(self, self._desk, BEFORE_LOADING):
            return
        path, _ = QFileDialog.getOpenFileName(self, say("Load model"), "", MODEL_FILES)
        if path:
            self._desk.load_model(Path(path))

    def _show_state(self, state: "State") -> None:
        show_reason(self.predict, _PREDICT, state.reason("predict"))
        show_reason(self.accept, _ACCEPT, state.reason("accept"))
        show_reason(self.export, _EXPORT, state.reason("export"))
        show_reason(self.save, _SAVE, state.reason("save"))
        show_reason(self.load, _LOAD, state.reason("load"))
        if state.phase is not Phase.PREDICTING:
            self.progress.hide()

    def _show_progress(self, progress: "Progress") -> None:
        if progress.job == "predict":
            self.progress.show_progress(progress)

    def _show_saved(self, path: str) -> None:
        self._messages.confirm(say("The model was saved to {path}.", path=path))

    def _show_loaded(self, name: str) -> None:
        self._messages.confirm(say("The model {name} is loaded.", name=name))


_HINT = say(
    "While there is a model, the visible slice is predicted again and again. "
    "The uncertainty layer is hidden until you show it."
)
_PREDICT = say("Predict every voxel of the volume into the prediction layer")
_ACCEPT = say(
    "Label what is still unlabelled on the visible slice as predicted, then correct "
    "it by hand; Ctrl+Z undoes it"
)
_EXPORT = say(
    "Write the prediction, cleaned up where you did so, into a file with the voxel size and "
    "orientation of the image"
)
_SAVE = say("Write the model to a .safetensors file")
_LOAD = say("Read a model from a .safetensors file")
