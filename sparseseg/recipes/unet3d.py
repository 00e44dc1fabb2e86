"""3D U-Net: learning dense segmentation from sparse annotation (Çiçek et al. 2016)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from sparseseg.boxes import Box, Triple, tiles
from sparseseg.data.intensity import rescaling
from sparseseg.nn import losses
from sparseseg.nn.augment import (
    affine_matrix,
    apply_curve,
    bspline_field,
    grey_curve,
    warp,
)
from sparseseg.nn.unet3d import MARGIN, UNet3d, check_size, output_size, tile_for
from sparseseg.recipes.cases import Case, channels_of
from sparseseg.recipes.patches import chosen_patch, halved
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.sampling import draw_case, draw_place
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import PatchOptions, card
from sparseseg.settings.options import Options

# 132 x 132 x 116 voxels x, y, z (paper, Fig. 2).
TILE: Triple = (116, 132, 132)


class UNet3dRecipe(Plain):
    """The paper, to the letter where it gives a number.

    Given: the network, tiles of 132 x 132 x 116, one tile a step, batch statistics at
    test time, weighted softmax cross-entropy, deformation from a 32-voxel grid with
    deviation 4, rotation, scaling and grey-value changes, SGD, mirrored borders.
    Not given, and chosen here: class weights (inverse root of the class's frequency),
    learning rate 0.01 and momentum 0.99, rotation by up to 180 degrees about z and 15
    about y and x, scaling by 0.8 to 1.25, LMB's ranges of the grey-value curve.
    """

    card = card("unet3d")

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Take the paper's tile, or a smaller one where the volumes are smaller."""
        volumes = [volume for volume, _ in cases]
        largest = np.max([volume.shape for volume in volumes], axis=0)
        assert isinstance(options, PatchOptions)
        limit = chosen_patch(options.patch, TILE)
        check_size(limit)
        z, y, x = (int(size) for size in largest)
        channels = channels_of(volumes)
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=volumes[0].spacing,
            unit=volumes[0].unit,
            curves=tuple(rescaling(channel) for channel in channels),
            patch=tile_for((z, y, x), limit),
            network={"affine": False, "width": 32},
            options=options.to_json(),
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone."""
        return UNet3d(channels, outputs, **options)

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield one deformed tile a step, centred on a labelled voxel."""
        while True:
            yield _deformed(draw_case(scenes, rng), rng)

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield tiles that label half as much each."""
        yield plan.patch
        labelled = halved(output_size(plan.patch), (1, 1, 1), (4, 4, 4))
        yield from (tile_for(size, plan.patch) for size in islice(labelled, 1, None))

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the network's logits."""
        return (network(batch.inputs),)

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the weighted softmax cross-entropy over the weight sum."""
        return losses.weighted_cross_entropy(heads[0], batch.target, weights)

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return less for frequent and more for rare classes."""
        return losses.class_weights(counts)

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return plain SGD with momentum."""
        return SGD(network.parameters(), lr=0.01, momentum=0.99)

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write what the network labels of a tile."""
        return output_size(plan.patch)

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read the margin of valid convolutions, and what fills up a legal tile."""
        return box.expand(scene.plan.patch).clip(scene.volume.shape)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Label a box tile by tile; statistics are those of the tile."""
        found = torch.empty(len(scene.plan.outputs), *box.shape, device=scene.device)
        size = output_size(scene.plan.patch)
        for tile in tiles(scene.volume.shape, tile=size, box=box):
            there = tile.write.relative_to(box).slices
            found[(slice(None), *there)] = _labelled(network, scene, tile.write)
        return found


def _labelled(network: nn.Module, scene: Scene, box: Box) -> Tensor:
    """Return the probabilities of what one tile labels, with borders mirrored."""
    tile = tile_for(box.shape, scene.plan.patch)
    start = tuple(low - MARGIN for low in box.start)
    stop = tuple(low + size for low, size in zip(start, tile, strict=True))
    logits = network(scene.grey(Box(_triple(start), _triple(stop)))[None])[0]
    z, y, x = (slice(size) for size in box.shape)
    probabilities: Tensor = logits[:, z, y, x].float().softmax(0)
    return probabilities


def _deformed(scene: Scene, rng: np.random.Generator) -> Batch:
    """Cut a tile that labels a drawn voxel, and deform image and target alike."""
    plan = scene.plan
    centre = draw_place(scene, rng)
    start = tuple(at - size // 2 for at, size in zip(centre, plan.patch, strict=True))
    stop = tuple(low + size for low, size in zip(start, plan.patch, strict=True))
    box = Box(_triple(start), _triple(stop))
    grey, target = scene.grey(box), scene.target(box)
    field = bspline_field(
        plan.patch, spacing=32.0, sd=4.0, rng=rng, device=scene.device
    )
    matrix = affine_matrix(
        rng, degrees=(180.0, 15.0, 15.0), scale=(0.8, 1.25), spacing=plan.spacing
    )
    image, target = warp(grey, target, field, matrix)
    channels = [apply_curve(channel[None], grey_curve(rng)) for channel in image]
    inner = tuple(slice(MARGIN, size - MARGIN) for size in plan.patch)
    return Batch(torch.cat(channels)[None], target[inner][None])


def _triple(values: Sequence[int]) -> Triple:
    z, y, x = values
    return z, y, x
