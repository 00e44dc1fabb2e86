"""What the training process asks of an engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box, Tile
from sparseseg.classes import ClassTable
from sparseseg.data.volume import Volume
from sparseseg.evaluation.estimate import DiceEstimate
from sparseseg.progress import Method, Preparing, Step
from sparseseg.session.events import Depths, Exports
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import Others
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings


class EngineContract(Protocol):
    """One volume and the model that is trained on it.

    `sparseseg.session.engine` has the real one; any module with a class `Engine` of
    this kind that is made without arguments can stand in its place.
    """

    def open(self, volume: Volume, annotation: NDArray[np.uint8]) -> None:
        """Take both without copying; the annotation is painted in all the time."""

    def train(
        self,
        settings: TrainSettings,
        table: ClassTable | None = None,
        others: Others | None = None,
    ) -> Iterator[Step | Preparing]:
        """Train the model at hand, or a new one; after each step it can predict.

        While it prepares the first one, it can interpolate, and predict once the
        network `answers`.
        """
        ...

    def predict(
        self, arrays: SharedArrays, *, box: Box, method: Method
    ) -> Iterator[Tile]:
        """Write into prediction and uncertainty, and yield each tile once written."""
        ...

    def possible(self, method: Method) -> Method:
        """Return a method, or what answers where nothing of the volume is annotated."""
        ...

    @property
    def answers(self) -> bool:
        """Whether the network of the model at hand says something already."""
        ...

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that predictions of the model at hand are cleaned up with."""
        ...

    @property
    def kind(self) -> ModelKind:
        """What the model at hand was begun with."""
        ...

    @property
    def unlike(self) -> str:
        """Where the open volume is far from what the model was trained on; else ""."""
        ...

    @property
    def doubt(self) -> str:
        """Where the last prediction is unlike what the model learned from; else ""."""
        ...

    @property
    def estimate(self) -> DiceEstimate | None:
        """How good the last whole prediction is between the slices, if that is known."""
        ...

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        """Let predictions of the model be cleaned up by these rules from now on."""

    @property
    def depths(self) -> Depths:
        """The depths of the model at hand, and the one in use."""
        ...

    @property
    def exports(self) -> Exports:
        """Why the model at hand cannot be exported in some formats."""
        ...

    def choose_depth(self, depth: int | None) -> None:
        """Predict and export at this depth from now on, or with the whole network."""

    def save(self, path: Path) -> None:
        """Write the whole model, atomically."""

    def export(self, path: Path) -> None:
        """Write the model at the chosen depth, atomically."""

    def load(self, path: Path, *, parent: str = "") -> None:
        """Read a model that `save` wrote, whose training started from a `parent`."""
