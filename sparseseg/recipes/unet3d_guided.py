"""A plain 3-D U-Net that follows the annotation of a volume, or does without it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.nn import losses
from sparseseg.nn.class_unet3d import (
    WIDTHS,
    ClassUNet3d,
    grid_of,
    levels_for,
    reach_of,
)
from sparseseg.nn.device import pays_fused
from sparseseg.recipes import led_patches
from sparseseg.recipes.balanced import balanced_curves, rules_for
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import ThreeViewOptions, card
from sparseseg.settings.options import Options

_RATE = 2e-3
_PATCH_VOXELS = 40**3
_TILE_VOXELS = 96**3


class GuidedUNet3dRecipe(Plain):
    """Ours: the network of `sparseseg.nn.class_unet3d`, for a GPU and many steps.

    What other annotated slices say is an input that can be absent. A part of the
    annotated slices of a patch is learned from, and the others lead; in some patches
    nothing leads. Unlabelled voxels weigh nothing. All of the volume stays where the
    network is, and patches are cut and changed there.
    """

    card = card("unet3d-guided")
    is_guided = True

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Fit grey curves as the default recipe does, and a patch to the voxel size."""
        assert isinstance(options, ThreeViewOptions)
        volume = cases[0][0]
        rules = rules_for(cases, options.grey)
        least = min(volume.spacing)
        z, y, x = (side / least for side in volume.spacing)
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volume.spacing,
            unit=volume.unit,
            curves=balanced_curves(cases, outputs, rules),
            grey=rules,
            patch=patch_for((z, y, x), _PATCH_VOXELS),
            # Where things lie in one volume may not hold for another: two have to show it.
            network={
                "anisotropy": [z, y, x],
                "widths": list(WIDTHS),
                "coordinates": len(cases) > 1,
            },
            options=options.to_json(),
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone, for so many image channels."""
        return ClassUNet3d(channels, outputs, **options)

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield patches round labelled voxels, each led by a part of the slices."""
        while True:
            yield led_patches.batch_of(scenes, rng)

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the logits of the classes that are asked for."""
        return (network(batch.inputs, batch.asked),)

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the sum of cross-entropy and Dice over the classes asked for."""
        asked = weights if batch.asked is None else weights[batch.asked]
        return losses.cross_entropy_dice(heads[0], batch.target, asked)

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return equal weights: others would thicken thin structures."""
        return losses.class_weights(counts, power=0.0)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return AdamW."""
        fused = pays_fused(network)
        return AdamW(network.parameters(), lr=_RATE, weight_decay=0.01, fused=fused)

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write tiles of about the same extent along all axes."""
        z, y, x = plan.anisotropy
        return _within(shape, patch_for((z, y, x), _TILE_VOXELS))

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read what the network sees, in step with its poolings."""
        assert isinstance(network, ClassUNet3d)
        return _read(network, scene, box)

    def tile_bytes(
        self, plan: Plan, size: Triple, spacing: tuple[float, float, float]
    ) -> int:
        """Return what the features of the finest level take, for one class at a time."""
        levels = levels_for(plan.anisotropy, len(plan.network["widths"]))
        wide = [n + 2 * r for n, r in zip(size, reach_of(levels), strict=True)]
        features = 6 * int(plan.network["widths"][0]) + len(plan.outputs)
        return int(np.prod(wide)) * 4 * features

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Return (k, z, y, x) for a box, one class after the other."""
        assert isinstance(network, ClassUNet3d)
        read = _read(network, scene, box)
        inputs = led_patches.channels(scene, read)
        alone = len(inputs) - len(scene.plan.outputs)
        z, y, x = box.relative_to(read).slices
        found = []
        for asked in range(len(scene.plan.outputs)):
            one = torch.cat([inputs[:alone], inputs[alone + asked, None]])
            padded = _padded(one[None], grid_of(network.levels))
            index = torch.tensor([asked], device=inputs.device)
            found.append(network(padded, index)[0, 0, z, y, x].float())
        return torch.stack(found).softmax(0)


def patch_for(anisotropy: tuple[float, float, float], voxels: int) -> Triple:
    """Return the sides of a patch of about so many voxels that is about a cube."""
    side = (voxels * float(np.prod(anisotropy))) ** (1 / 3)
    grid = grid_of(levels_for(anisotropy, len(WIDTHS)))
    z, y, x = (
        g * max(1, round(side / a / g)) for a, g in zip(anisotropy, grid, strict=True)
    )
    return z, y, x


def _within(shape: Triple, size: Triple) -> Triple:
    z, y, x = map(min, shape, size)
    return z, y, x


def _read(network: ClassUNet3d, scene: Scene, box: Box) -> Box:
    wide = box.expand(reach_of(network.levels)).clip(scene.volume.shape)
    # Poolings fall in step whatever the tile, where its start is a multiple of theirs.
    grid = grid_of(network.levels)
    z, y, x = (low // step * step for low, step in zip(wide.start, grid, strict=True))
    ends = zip(wide.stop, grid, scene.volume.shape, strict=True)
    d, h, w = (min(size, -(-high // step) * step) for high, step, size in ends)
    return Box((z, y, x), (d, h, w))


def _padded(inputs: Tensor, grid: Triple) -> Tensor:
    """Repeat the last voxels so that poolings divide the sides."""
    more = [-size % step for size, step in zip(inputs.shape[2:], grid, strict=True)]
    if not any(more):
        return inputs
    return F.pad(inputs, (0, more[2], 0, more[1], 0, more[0]), mode="replicate")
