"""What a model has to be to predict."""

from typing import Protocol

import torch
from torch import nn

from sparseseg.nn.device import Precision
from sparseseg.recipes import Answering, Plan


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
    def device(self) -> torch.device:
        """Where the weights are."""
        ...
