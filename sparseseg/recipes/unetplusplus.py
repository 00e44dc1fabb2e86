"""UNet++: a nested U-Net that can be pruned after training (Zhou et al. 2018, 2020)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sparseseg.data.intensity import GreyCurve, wants_window
from sparseseg.nn import losses
from sparseseg.nn.unetplusplus import HEADS, WIDTHS, UNetPlusPlus
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.two_or_three import TwoOrThree
from sparseseg.settings.cards import PlanarOptions, UNetPlusPlusOptions, card
from sparseseg.settings.options import Options

_RATE = 3e-4
_L2 = 1e-4  # of the squares in the loss, so that the gradient has twice that
_CROPS = 4
_WINDOW = (-200.0, 250.0)  # HU, as H-DenseUNet has it


class UNetPlusPlusRecipe(TwoOrThree):
    """The paper's network, loss and optimizer, trained from sparse annotation.

    From the paper and the released 2-D code: nodes, widths, dropout 0.5 and no
    normalisation, initial weights (He's, Glorot's where it up-samples), squares of
    kernels in the loss by 1e-4, a head at each depth, 0.5 * cross-entropy - Dice
    summed over the heads, Adam at 3e-4, no augmentation. Ours: the softmax form for several classes,
    the restriction to labelled voxels, grey values (the range of the image, or of a CT
    that of soft tissue, which would else be a tenth of it), crops of 96 x 96 (in 3-D patches of 32 x 64 x
    64), and looking at a volume in all annotated views. The heads can be averaged
    ("accurate") or the deepest taken ("fast"), as in the paper.
    """

    card = card("unetplusplus")
    crop = 96  # the side of the paper's nuclei images

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Rescale grey values, and fit the patch to the volumes."""
        assert isinstance(options, UNetPlusPlusOptions)
        network = {
            "heads": list(HEADS if options.deep_supervision else HEADS[-1:]),
            "widths": list(WIDTHS),
            "dropout": options.dropout,
        }
        return self.sized(
            cases, outputs, options, multiple=2 ** max(HEADS), network=network
        )

    def curve(
        self, channels: Sequence[NDArray[Any]], options: PlanarOptions
    ) -> GreyCurve:
        """Return 0 to 1 for the range, or for the soft tissue of a CT."""
        assert isinstance(options, UNetPlusPlusOptions)
        if wants_window(channels, options.window):
            return GreyCurve(_WINDOW, (0.0, 1.0))
        return super().curve(channels, options)

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone; `depth` prunes it to that head."""
        if "depth" in options:
            options["heads"] = [options.pop("depth")]
        return UNetPlusPlus(channels, outputs, **options)

    def depths(self, plan: Plan) -> tuple[int, ...]:
        """Return the depths that have a head."""
        return tuple(plan.network["heads"])

    def pruned(self, plan: Plan, depth: int) -> Plan:
        """Keep one head, and the nodes that it needs."""
        return replace(plan, network={**plan.network, "heads": [depth]})

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield a few crops of annotated slices, or one patch."""
        count = _CROPS if scenes[0].plan.network["dims"] == 2 else 1
        while True:
            drawn = [self.draw(scenes, rng) for _ in range(count)]
            inputs, targets = zip(*drawn, strict=True)
            yield Batch(torch.stack(inputs), torch.stack(targets))

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the logits of all heads, the deepest first."""
        heads: Heads = network(batch.inputs)
        return heads

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the sum over the heads, all alike."""
        parts = [
            losses.half_cross_entropy_minus_dice(head, batch.target) for head in heads
        ]
        return torch.stack(parts).sum()

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return equal weights; the loss takes none."""
        return losses.class_weights(counts, power=0.0)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return Adam with the paper's rate; kernels of 3 and of the heads decay."""
        kernels = [
            module.weight
            for module in network.modules()
            if isinstance(module, nn.Conv2d | nn.Conv3d)
        ]
        known = set(map(id, kernels))
        others = [p for p in network.parameters() if id(p) not in known]
        groups: list[dict[str, Any]] = [
            {"params": kernels, "weight_decay": 2 * _L2},
            {"params": others},
        ]
        return Adam(groups, lr=_RATE)

    def answer(self, network: nn.Module, image: Tensor, plan: Plan) -> Tensor:
        """Average the heads, or take the deepest alone."""
        heads: Heads = network(image)
        chosen = heads if plan.options.get("mode") == "accurate" else heads[:1]
        return torch.stack([head.float().softmax(1) for head in chosen]).mean(0)
