"""A classifier of single voxels by two hidden layers, and how it is fitted within seconds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.nn.device import Precision

FIT_PIXELS = 8192
_HIDDEN = 128
_FIT_DROPOUT = 0.2
_GROUP = 8  # pixels that drop the same hidden units
_FIT_RATE = 5e-3


def classifier(channels: int, outputs: int) -> nn.Sequential:
    """Return a fresh one, from pixels (n, c) to logits (n, k)."""
    return nn.Sequential(
        nn.Linear(channels, _HIDDEN),
        nn.ReLU(inplace=True),
        _GroupDropout(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.ReLU(inplace=True),
        _GroupDropout(),
        nn.Linear(_HIDDEN, outputs),
    )


@dataclass(frozen=True)
class Fit:
    """Fits classifiers in one precision."""

    precision: Precision
    rng: np.random.Generator

    def __call__(
        self, classifier: nn.Module, pixels: Tensor, target: Tensor, *, steps: int
    ) -> Iterator[None]:
        """Fit a classifier to pixels (n, c) and their target (n); yield after each step."""
        classifier.train()
        optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.02)
        for step in range(steps):
            cosine = 0.5 + 0.5 * math.cos(math.pi * step / steps)
            _set_rate(optimizer, _FIT_RATE * cosine)
            drawn = torch.from_numpy(self.rng.integers(0, len(target), FIT_PIXELS))
            drawn = drawn.to(target.device)
            with self.precision.on(target.device):
                logits = classifier(pixels[drawn])
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits.float(), target[drawn]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


class _GroupDropout(nn.Module):
    """Drop hidden units (n, c) of a few pixels together.

    Random numbers for each pixel would take longer than all the rest of a step.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        groups = x.view(-1, math.gcd(_GROUP, len(x)), x.shape[1])
        kept = torch.rand_like(groups[:, :1]) >= _FIT_DROPOUT
        return (groups * kept).view(x.shape) / (1 - _FIT_DROPOUT)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
