"""LungNet: dilated convolutions and entropy where nobody painted (JBHI 2019)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sparseseg.nn import losses
from sparseseg.nn.augment import flip_rotate
from sparseseg.nn.lungnet import WIDTH, LungNet
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.two_or_three import TwoOrThree
from sparseseg.settings.cards import PlanarOptions, card
from sparseseg.settings.options import Options

_RATE = 1e-2
_PIXELS = 200_000  # of all images that are shown at once


class LungNetRecipe(TwoOrThree):
    """The released network and loss, one image a step.

    From the paper's code: the network, median-frequency class weights, cross-entropy
    over the weight sum, 8 flips and quarter turns, Adam at 0.01 (the rate of the
    authors' demo on other images; that of the paper is not known to us), and the
    entropy of what is not annotated: the option `entropy`, 0 in the authors' library
    and 0.1 in their demo. The output for "not annotated" is dropped. Ours: crops of at
    most 256 x 256, the views across y and x, and the transcription to 3-D.
    """

    card = card("lungnet")
    crop = 256

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Rescale grey values; the network takes any size."""
        assert isinstance(options, PlanarOptions)
        network: dict[str, object] = {"width": WIDTH}
        return self.sized(cases, outputs, options, multiple=1, network=network)

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone."""
        return LungNet(channels, outputs, **options)

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield one crop or patch a step, flipped and turned."""
        while True:
            image, target = self.draw(scenes, rng)
            if target.ndim == 2:
                image, target = turned(image, target, rng)
            else:
                spacing = scenes[0].plan.spacing
                image, target = flip_rotate(image, target, rng, spacing=spacing)
            yield Batch(image[None], target[None])

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the network's logits."""
        return (network(batch.inputs),)

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the supervised half; training adds the entropy."""
        return losses.weighted_cross_entropy(heads[0], batch.target, weights)

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return the median frequency over the class's."""
        return losses.median_frequency_weights(counts)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return Adam with the demo's rate."""
        return Adam(network.parameters(), lr=_RATE)

    def answer(self, network: nn.Module, image: Tensor, plan: Plan) -> Tensor:
        """Ask a few images at once: eleven results of each are joined."""
        few = max(1, _PIXELS // image[0, 0].numel())
        parts = torch.split(image, few)
        found = [network(part).float().softmax(1) for part in parts]
        return torch.cat(found)


def turned(
    image: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turn and flip a square crop (c, y, x) and its target (y, x) in one of 8 ways."""
    quarters, flip = int(rng.integers(4)), bool(rng.integers(2))
    image, target = (part.rot90(quarters, (-2, -1)) for part in (image, target))
    return (image.flip(-1), target.flip(-1)) if flip else (image, target)
