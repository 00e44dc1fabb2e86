"""The model as it was while it was trained, each time that its quality was estimated."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.project.models import ProjectModel, next_path, read_model
from sparseseg.session.events import Phase
from sparseseg.session.messages import SNAPSHOT
from sparseseg.widgets.background import Background

if TYPE_CHECKING:
    from sparseseg.widgets.desk import Desk

MOMENT = "-step-"
"""What joins the name of a model and a step, in the name of a moment."""
_MOST = 4


class Moments(QObject):
    """Copy the snapshot whenever a running training has an estimate; keep a few.

    The training process writes its snapshot right before it tells the estimate.
    """

    changed = Signal()

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self.models: tuple[ProjectModel, ...] = ()
        """The oldest first."""
        self._desk = desk
        self._phase = Phase.IDLE
        self._copying = Background("models-moments")
        self._copying.done.connect(self._take)
        desk.relay.phase.connect(self._on_phase)
        desk.relay.estimate.connect(self._on_estimate)

    def drop(self, newest: ProjectModel) -> None:
        """Forget the moment that is the end of a training: its model is kept elsewhere."""
        same = [
            one for one in self.models if _is_of(one, newest) and _same(one, newest)
        ]
        for model in same:
            self._remove(model)

    def close(self) -> None:
        """End the thread, and remove the copies."""
        self._copying.close()
        for model in self.models:
            model.path.unlink(missing_ok=True)

    def _on_phase(self, phase: Phase) -> None:
        self._phase = phase

    def _on_estimate(self, _estimate: object) -> None:
        seat = self._desk.link.at_work
        if self._phase is not Phase.TRAINING or seat is None:
            return
        folder = self._desk.models.path
        number = next_path(self._desk.project.folder or folder).stem
        self._copying.start(partial(_copied, folder, number, seat.name))

    def _take(self, found: ProjectModel | None) -> None:
        if found is None:
            return
        self.models = (*(m for m in self.models if m.name != found.name), found)
        if len(self.models) > _MOST:
            self._remove(min(self.models[:-1], key=lambda model: model.quality or 0.0))
        self.changed.emit()

    def _remove(self, model: ProjectModel) -> None:
        self.models = tuple(one for one in self.models if one is not model)
        model.path.unlink(missing_ok=True)


def _is_of(moment: ProjectModel, model: ProjectModel) -> bool:
    """Tell whether a moment is of the training that a model comes from."""
    return moment.name.startswith(f"{model.name}-")


def _same(moment: ProjectModel, model: ProjectModel) -> bool:
    return bool(moment.history.get("step") == model.history.get("step"))


def _copied(folder: Path, number: str, image: str) -> ProjectModel | None:
    """Copy the snapshot in a folder, and name it by model and step."""
    snapshot = folder / SNAPSHOT
    if not snapshot.exists():
        return None
    kept = folder / "models"
    kept.mkdir(exist_ok=True)
    path = kept / "moment.safetensors"
    shutil.copyfile(snapshot, path)
    model = read_model(path)
    if model is None:
        return None
    step = model.history.get("step", 0)
    named = path.rename(kept / f"{number}{MOMENT}{step}.safetensors")
    return replace(model, name=named.stem, path=named, volumes=(image,))
