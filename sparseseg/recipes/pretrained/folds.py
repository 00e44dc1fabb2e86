"""The networks of a model that was trained several times, on parts of its data."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from sparseseg.nn.conv_unet import ConvUNet

_RATE = 3e-4
_DECAY = 1e-2
_HEAD_FACTOR = 100.0
"""How much faster a head learns that is new (found on synthetic data: at the rate of
the body one of three trainings never started)."""


class Folds(nn.Module):
    """One network a fold; the first one is trained further, all of them predict."""

    def __init__(
        self, networks: Sequence[nn.Module], *, encoder_rate: float = 1.0
    ) -> None:
        super().__init__()
        self.folds = nn.ModuleList(networks)
        self.encoder_rate = encoder_rate
        self._teacher: list[nn.Module] = []  # in a list it is no part of the network
        self.fresh: Tensor
        # Which rows of the heads were not taken over from the model that it came from.
        outputs = cast("int", networks[0].outputs)
        self.register_buffer("fresh", torch.ones(outputs, dtype=torch.bool))

    @property
    def first(self) -> ConvUNet:
        """The network that learns; others than `ConvUNet` only predict."""
        network = self.folds[0]
        assert isinstance(network, ConvUNet)
        return network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of the first network, full resolution first."""
        heads: tuple[Tensor, ...] = self.folds[0](image)
        return heads

    def taught(self, image: Tensor) -> Tensor:
        """Return what the first network said before it learned; -inf of fresh rows.

        The weights of that time are kept beside, and not saved with the model.
        """
        if not self._teacher:
            teacher = copy.deepcopy(self.first).eval()
            self._teacher.append(teacher.requires_grad_(requires_grad=False))
        with torch.no_grad():
            logits: Tensor = self._teacher[0](image)[0]
        shape = (1, -1, *[1] * (logits.ndim - 2))
        return logits.masked_fill(self.fresh.view(shape), float("-inf"))

    def freeze(self) -> None:
        """Keep the encoder as it is where it is not to learn."""
        if self.encoder_rate == 0:
            for part in (self.first.stem, self.first.encoder):
                part.requires_grad_(requires_grad=False)

    def optimizer(self) -> "HeadFirstAdamW":
        """Return an optimizer under which fresh rows of the heads learn faster."""
        network = self.first
        encoder = [*network.stem.parameters(), *network.encoder.parameters()]
        decoder = [*network.ups.parameters(), *network.decoder.parameters()]
        groups = [
            {"params": encoder, "lr": _RATE * (self.encoder_rate or 1.0)},
            {"params": decoder, "lr": _RATE},
        ]
        return HeadFirstAdamW(groups, list(network.heads.parameters()), self.fresh)


class HeadFirstAdamW(AdamW):
    """AdamW that moves the fresh rows of some parameters 100 times as far."""

    def __init__(
        self, groups: list[dict[str, object]], heads: list[nn.Parameter], fresh: Tensor
    ) -> None:
        head: dict[str, object] = {"params": heads, "lr": _RATE * _HEAD_FACTOR}
        super().__init__([*groups, head], weight_decay=_DECAY)
        self._heads = heads
        self._fresh = fresh

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step; rows that were taken over go a hundredth of the way."""
        before = [head.detach().clone() for head in self._heads]
        super().step(closure)
        with torch.no_grad():
            for head, old in zip(self._heads, before, strict=True):
                known = ~self._fresh.to(head.device)
                near = old.lerp(head, 1 / _HEAD_FACTOR)
                head[known] = near[known]
