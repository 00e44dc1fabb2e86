"""The network that predicts, as a running mean of the one that learns."""

import torch
from torch import Tensor, nn

from sparseseg.engine.anchor import Anchor


def average(
    mean: nn.Module, learning: nn.Module, memory: float, anchor: Anchor | None
) -> None:
    """Move a mean towards the weights that learn now (Polyak averaging).

    `memory` (0..1) is the share that the mean keeps. With an anchor it moves towards a
    point between these weights and those of the parent. Buffers are copied.
    """
    trained = [(name, w) for name, w in learning.named_parameters() if w.requires_grad]
    means: list[Tensor] = [mean.get_parameter(name) for name, _ in trained]
    with torch.no_grad():
        goals: list[Tensor] = [w for _, w in trained]
        if anchor is not None:
            goals = anchor.between(trained)
        # At once: a large network has hundreds of small tensors.
        torch._foreach_lerp_(means, goals, 1 - memory)
        for old, new in zip(mean.buffers(), learning.buffers(), strict=True):
            old.copy_(new)


def copy_fixed(source: nn.Module, target: nn.Module) -> None:
    """Copy what steps do not train: frozen weights and buffers."""
    with torch.no_grad():
        for new, old in zip(source.parameters(), target.parameters(), strict=True):
            if not new.requires_grad:
                old.copy_(new)
        for fixed, copied in zip(source.buffers(), target.buffers(), strict=True):
            copied.copy_(fixed)
