"""The engine of the training process; imported there only, for it loads torch."""

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparseseg import recipes
from sparseseg.boxes import Box, Tile
from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.segment import Job, best_method, segment
from sparseseg.engine.training import work
from sparseseg.errors import UserError
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.models.exportable import obstacles
from sparseseg.progress import Method, Preparing, Step
from sparseseg.project.project import Project
from sparseseg.recipes import Plan
from sparseseg.session.events import Depths, Exports
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import Others
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create


class Engine:
    """One volume and the model that is trained on it; see `protocol.EngineContract`."""

    def __init__(self) -> None:
        # The first optimizer imports it, for seconds: better while nobody waits.
        import_module("torch._dynamo")
        # One core is left to the window.
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        self._model: Model | None = None
        self._depth: int | None = None
        self._parent = ""
        self._doubt = ""
        self._estimate: DiceEstimate | None = None
        self._case: tuple[Volume, SparseLabels]

    def open(self, volume: Volume, annotation: NDArray[np.uint8]) -> None:
        """Take both without copying."""
        self._case = volume, SparseLabels(annotation)

    def train(
        self,
        settings: TrainSettings,
        table: ClassTable | None = None,
        others: Others | None = None,
    ) -> Iterator[Step | Preparing]:
        """Train the model at hand if it is what the settings ask for, or a new one."""
        volume, labels = self._case
        self._case = volume, SparseLabels(labels.array, table=table)
        cases = [self._case, *_cases_of(others, table)]
        if self._model is None or not self.kind.fits(settings):
            self._model, self._depth = create(cases, settings), None
            self._parent = settings.parent
        yield from work(self._model, cases, settings)

    def predict(
        self, arrays: SharedArrays, *, box: Box, method: Method
    ) -> Iterator[Tile]:
        """Write into prediction and uncertainty, and yield each tile once written.

        The whole volume is the same job as anywhere else; a part of it is a preview.
        """
        volume, labels = self._case
        out = Output(labels=arrays.prediction, uncertainty=arrays.uncertainty)
        model = self._pruned()
        self._doubt, self._estimate = "", None
        if box.shape == volume.shape:
            return self._segmented(model, method, out)
        return predict(model, volume, out, labels=labels, box=box, method=method)

    def _segmented(self, model: Model, method: Method, out: Output) -> Iterator[Tile]:
        volume, labels = self._case
        job = Job(method=method)
        found = yield from segment(model, volume, job, labels=labels, into=out)
        self._doubt, self._estimate = found.doubt, found.estimate

    def possible(self, method: Method) -> Method:
        """Return a method, or what answers where nothing of the volume is annotated."""
        _, labels = self._case
        if labels.slices():
            return method
        return best_method(self._pruned(), is_annotated=False)

    @property
    def answers(self) -> bool:
        """Whether the network of the model at hand says something already."""
        model = self._model
        return model is not None and model.recipe.answers(model.network)

    @property
    def estimate(self) -> DiceEstimate | None:
        """How good the last whole prediction is between the slices, if that is known."""
        return self._estimate

    @property
    def doubt(self) -> str:
        """Where the last prediction is unlike what the model learned from; else ""."""
        return self._doubt

    @property
    def depths(self) -> Depths:
        """The depths of the model at hand, and the one in use."""
        if self._model is None:
            return Depths((), None)
        depths = self._model.recipe.depths(self._model.plan)
        known = self._model.history.get("held_out_by_depth", {})
        return Depths(
            depths,
            self._depth,
            tuple(_parameters(self._model.plan, depth) for depth in depths),
            tuple(known.get(str(depth)) for depth in depths),
        )

    @property
    def exports(self) -> Exports:
        """Why the model at hand cannot be exported in some formats."""
        return Exports({} if self._model is None else obstacles(self._model))

    def choose_depth(self, depth: int | None) -> None:
        """Predict and export at this depth from now on."""
        if depth is not None:
            self._trained().at_depth(depth)  # complains if there is no such depth
        self._depth = depth

    def save(self, path: Path) -> None:
        """Write the whole model, atomically."""
        self._trained().save(path)

    def export(self, path: Path) -> None:
        """Write the model at the chosen depth, atomically."""
        self._pruned().save(path)

    def load(self, path: Path, *, parent: str = "") -> None:
        """Read a model, whose training started from another one if there is a `parent`."""
        self._model, self._depth, self._parent = Model.load(path), None, parent

    @property
    def kind(self) -> ModelKind:
        """What the model at hand was begun with."""
        plan = self._trained().plan
        return ModelKind(plan.recipe, plan.options, self._parent)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of the model at hand."""
        return () if self._model is None else self._model.rules

    @property
    def unlike(self) -> str:
        """Where the open volume is far from what the model was trained on; else ""."""
        return self._trained().unlike(self._case[0])

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        """Let predictions of the model be cleaned up by these rules from now on."""
        self._trained().rules = lines

    def _pruned(self) -> Model:
        model = self._trained()
        return model if self._depth is None else model.at_depth(self._depth)

    def _trained(self) -> Model:
        if self._model is None:
            raise UserError("there is no model yet: train one or load one")
        return self._model


def _cases_of(
    others: Others | None, table: ClassTable | None
) -> list[tuple[Volume, SparseLabels]]:
    if others is None:
        return []
    with Project(others.folder, read_only=True) as project:
        cases = project.cases(others.names)
    return [
        (volume, SparseLabels(labels.array, table=table)) for volume, labels in cases
    ]


@lru_cache(maxsize=16)
def _parameters(plan: Plan, depth: int) -> int:
    """Return the size of a network pruned to a depth, without making it."""
    recipe = recipes.get(plan.recipe)
    with torch.device("meta"):
        network = recipe.network(recipe.pruned(plan, depth))
    return sum(weight.numel() for weight in network.parameters())
