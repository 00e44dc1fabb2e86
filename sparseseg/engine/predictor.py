"""What a model has to be to predict, and what its network says."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sparseseg.boxes import Box
from sparseseg.nn.device import Precision
from sparseseg.progress import Method
from sparseseg.recipes import Answering, Plan, Scene


class Predictor(Protocol):
    """`sparseseg.engine.model.Model` is one."""

    plan: Plan
    network: nn.Module
    precision: Precision
    memory: int | None
    """How many bytes a tile may take, if that is limited."""

    @property
    def recipe(self) -> Answering:
        """How the network answers."""
        ...

    @property
    def by_class(self) -> Mapping[int, Method]:
        """Which method each class is taken from, by its value, where they differ."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...


def network_probabilities(model: Predictor, scene: Scene, box: Box) -> Tensor:
    """Return the network's probabilities (k, z, y, x) of a box inside the volume."""
    with torch.inference_mode(), model.precision.on(model.device):
        return model.recipe.probabilities(model.network, scene, box).float()
