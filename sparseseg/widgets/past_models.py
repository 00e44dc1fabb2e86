"""The models of earlier trainings: kept, compared, and gone back to."""

import shutil
import sys
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from sparseseg.errors import UserError
from sparseseg.evaluation.difference import (
    Difference,
    difference_between,
    differing_labels,
)
from sparseseg.project.models import ProjectModel, models_in, next_path, read_model
from sparseseg.session.events import Phase
from sparseseg.session.messages import SNAPSHOT
from sparseseg.widgets.background import Background
from sparseseg.widgets.moments import MOMENT, Moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.seat import Seat

_MOST = 8
"""Models that are kept without a project."""
_BETTER = 0.01
_TRAINING = (Phase.PREPARING, Phase.TRAINING, Phase.PAUSED)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two models by their predictions of one volume."""

    before: ProjectModel
    after: ProjectModel
    difference: Difference
    labels: "NDArray[np.uint8]"
    """The later class where they differ, 255 for background, and else 0."""
    seat: "Seat"


@dataclass(frozen=True, slots=True, eq=False)
class Overtaken:
    """A model that was just trained, and an earlier one that scores better."""

    newest: ProjectModel
    better: ProjectModel
    is_kept: bool
    """Whether the better one is in use again: both learned from the same slices."""


class PastModels(QObject):
    """Keep a copy of the model at the end of each training; list those of a project.

    If the same slices taught an earlier model better, that one stays in use.
    """

    changed = Signal()
    overtaken = Signal(object)
    """The `Overtaken` model of a training that has just ended."""
    compared = Signal(object)
    """A `Comparison` that was asked for."""
    failed = Signal(str)

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self.models: tuple[ProjectModel, ...] = ()
        """The oldest first."""
        self.current = ""
        """The name of the model in use; "" if it is none of them."""
        self._desk = desk
        self._phase = Phase.IDLE
        self._has_stepped = self._was_trained = False
        self._before = ""
        self._files: tuple[Path, ...] = ()
        self._predictions: dict[tuple[str, Seat], bytes] = {}
        self._moments = Moments(desk)
        self._listing, self._packing, self._comparing = (
            Background(f"models-{job}") for job in ("list", "pack", "compare")
        )
        self._connect()

    @property
    def listed(self) -> tuple[ProjectModel, ...]:
        """All models that can be gone back to: at the end of trainings, and within them."""
        return tuple(sorted((*self.models, *self._moments.models), key=_in_order))

    def go_back(self, name: str) -> None:
        """Use a model again: predict with it, and train it further."""
        model = self._named(name)
        self._desk.load_model(model.path, is_saved=self._is_in_project(model))
        self.current = name
        self._desk.project.shown.emit(model)
        self.changed.emit()

    def compare(self, name: str) -> None:
        """Begin to compare a model with the one in use, by their whole predictions.

        Raises `UserError` if one of both has not predicted the visible volume.
        """
        seat = self._desk.link.seat
        models = self._named(name), self._named(self.current)
        if seat is None or name == self.current:
            raise UserError("Choose another model than the one in use to compare with.")
        for model in models:
            if (model.name, seat) not in self._predictions:
                raise UserError(
                    "{name} has not predicted this volume yet: go back to it and press "
                    "Predict volume.",
                    name=model.name,
                )
        packed = [self._predictions[model.name, seat] for model in models]
        self._comparing.start(partial(_compared, models, packed, seat))

    def forget_current(self) -> None:
        """Know that the model in use is none of these from now on."""
        self.current = ""
        self.changed.emit()

    def close(self) -> None:
        """End the threads, and remove the copies that are not in a project."""
        for work in (self._listing, self._packing, self._comparing, self._moments):
            work.close()
        for model in self.models:
            if not self._is_in_project(model):
                model.path.unlink(missing_ok=True)

    def _connect(self) -> None:
        desk = self._desk
        self._moments.changed.connect(self.changed)
        self._listing.done.connect(self._take)
        self._packing.done.connect(self._take_packed)
        self._comparing.done.connect(self.compared)
        self._comparing.failed.connect(self.failed)
        desk.relay.phase.connect(self._on_phase)
        desk.relay.step.connect(self._on_step)
        desk.project.changed.connect(self._look_at_project)
        desk.whole_predictions.ended.connect(self._on_predicted)

    def _named(self, name: str) -> ProjectModel:
        for model in self.listed:
            if model.name == name:
                return model
        raise UserError(
            "The model in use was not trained here: train or go back first."
        )

    def _is_in_project(self, model: ProjectModel) -> bool:
        return model.path.parent != self._desk.models.path / "models"

    def _on_step(self, _step: object) -> None:
        self._has_stepped = True

    def _on_phase(self, phase: Phase) -> None:
        before, self._phase = self._phase, phase
        if phase is Phase.PREPARING:
            self._has_stepped = False
            self._before, self.current = self.current, ""
        elif phase is Phase.IDLE and before in _TRAINING:
            self._end_training()

    def _end_training(self) -> None:
        if self._has_stepped:
            self._was_trained = True
            self._keep()
        else:
            self.current = self._before

    def _keep(self) -> None:
        """Copy the newest snapshot; in a project the model is saved there instead."""
        seat = self._desk.link.at_work
        if self._desk.project.folder is None and seat is not None:
            folder = self._desk.models.path
            self._listing.start(partial(_kept, folder, seat.name, self.models))

    def _look_at_project(self) -> None:
        folder = self._desk.project.folder
        files = () if folder is None else tuple(sorted(folder.glob("models/*")))
        if files != self._files:
            self._files = files
            if folder is not None:
                self._listing.start(partial(models_in, folder))

    def _take(self, found: tuple[ProjectModel, ...]) -> None:
        known = {model.name for model in self.models}
        self.models = found
        if found and found[-1].name not in known:
            self.current = found[-1].name
            self._moments.drop(found[-1])
            if self._was_trained and found[-1].volumes:
                self._was_trained = False
                self._tell_overtaken(found[-1])
        self.changed.emit()

    def _tell_overtaken(self, newest: ProjectModel) -> None:
        """Tell of a better model, which stays in use if it can be compared."""
        peers = [m for m in self.models if set(m.volumes) & set(newest.volumes)]
        alike = [model for model in peers if learned_the_same(model, newest)]
        for models, is_kept in ((alike, self._phase is Phase.IDLE), (peers, False)):
            best = max(models, key=lambda model: model.quality or 0.0, default=newest)
            if is_better(best, newest):
                if is_kept:
                    self.go_back(best.name)
                self.overtaken.emit(Overtaken(newest, best, is_kept))
                return

    def _on_predicted(self, seat: "Seat") -> None:
        if self.current:
            self._packing.start(partial(_packed, (self.current, seat)))

    def _take_packed(self, found: "tuple[tuple[str, Seat], bytes]") -> None:
        key, packed = found
        self._predictions[key] = packed
        for name, seat in list(self._predictions):
            if seat not in self._desk.link.seats:
                del self._predictions[name, seat]


def is_better(model: ProjectModel, other: ProjectModel) -> bool:
    """Tell whether a model scores clearly better, by the same kind of score."""
    kinds = {one.estimate is None for one in (model, other)}
    if len(kinds) > 1 or model.quality is None or other.quality is None:
        return False
    return model.quality > other.quality + _BETTER


def learned_the_same(model: ProjectModel, other: ProjectModel) -> bool:
    """Tell whether two models learned from the same slices, painted alike."""
    pair = [one.history.get("learned_from") for one in (model, other)]
    estimates = [one.estimate for one in (model, other)]
    slices = [e.evidence.annotated if e and e.evidence else 0 for e in estimates]
    return bool(pair[0]) and pair[0] == pair[1] and slices[0] == slices[1]


def _in_order(model: ProjectModel) -> tuple[str, int]:
    """Sort models by number, and what is from within a training before its end."""
    number, _, step = model.name.partition(MOMENT)
    return number, int(step) if step.isdigit() else sys.maxsize


def _kept(
    folder: Path, image: str, models: tuple[ProjectModel, ...]
) -> tuple[ProjectModel, ...]:
    """Copy the snapshot in a folder; return the models with it, without the oldest."""
    snapshot = folder / SNAPSHOT
    if not snapshot.exists():
        return models
    path = next_path(folder)
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(snapshot, path)
    model = read_model(path)
    if model is None:
        return models
    best = max(models, key=lambda model: model.quality or 0.0, default=None)
    kept = [*models, replace(model, volumes=(image,))]
    while len(kept) > _MOST:
        oldest = next(one for one in kept if one is not best)
        kept.remove(oldest)
        oldest.path.unlink(missing_ok=True)
    return tuple(kept)


def _packed(key: "tuple[str, Seat]") -> "tuple[tuple[str, Seat], bytes]":
    return key, zlib.compress(key[1].arrays.prediction.tobytes(), 1)


def _compared(
    models: tuple[ProjectModel, ProjectModel], packed: list[bytes], seat: "Seat"
) -> Comparison:
    before, after = (
        np.frombuffer(zlib.decompress(one), np.uint8).reshape(seat.volume.shape)
        for one in packed
    )
    difference = difference_between(before, after)
    return Comparison(*models, difference, differing_labels(before, after), seat)
