"""What every recipe offers to the engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.tiling import Box, Triple

Case = tuple[Volume, SparseLabels]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step sees."""

    inputs: Tensor
    """(n, c, ...), float32."""
    target: Tensor
    """(n, ...), int64: the index of the output, or IGNORE where unlabelled."""
    fold: int | None = None
    """The fold of the slices in this batch, if the recipe fits in folds."""


class Recipe(Protocol):
    """One published system as a whole; without state, shared by all models."""

    name: str
    title: str
    summary: str
    paper: str

    def plan(self, cases: Sequence[Case], outputs: Sequence[int]) -> Plan:
        """Decide sizes, spacing and grey curves from the training volumes."""

    def network(self, plan: Plan) -> nn.Module:
        """Build the network with fresh weights."""

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone, for so many image channels."""

    def prepare(
        self,
        network: nn.Module,
        scenes: Sequence[Scene],
        rng: np.random.Generator,
        *,
        thorough: bool = True,
    ) -> None:
        """Set what is not trained by steps; called whenever annotation changed.

        Not `thorough` means that strokes join a running training: be quick.
        """

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator
    ) -> Iterator[Batch]:
        """Yield training batches without end, drawn where something is labelled."""

    def logits(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return what the network says of a batch while it learns."""

    def loss(self, logits: Tensor, batch: Batch, weights: Tensor) -> Tensor:
        """Return the loss; `weights` are those of the classes."""

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return the weight of each output from its labelled voxels."""

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return the optimizer, at its highest learning rate."""

    def tiling(self, plan: Plan, shape: Triple) -> tuple[Triple, Triple]:
        """Return how many voxels a tile writes, and the halo that it reads beyond."""

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return (k, z, y, x) for a box; with a halo if the network needs one."""
