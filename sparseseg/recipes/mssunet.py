"""MSS U-Net: a 3-D U-Net supervised at all scales (Zhao and Zeng 2019)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sparseseg.boxes import Box, Triple
from sparseseg.classes import BACKGROUND
from sparseseg.data.intensity import GreyCurve, painted_greys, standardising
from sparseseg.nn import losses
from sparseseg.nn.augment import affine_matrix, bspline_field, warp
from sparseseg.nn.mssunet import HEAD_WEIGHTS, MULTIPLE, WIDTH, MSSUNet
from sparseseg.nn.sizes import check_multiple
from sparseseg.recipes import patches
from sparseseg.recipes.cases import Case
from sparseseg.recipes.plain import Plain
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.recipe import Batch, Heads, Stage
from sparseseg.recipes.scene import Scene
from sparseseg.settings.cards import MSSUNetOptions, card
from sparseseg.settings.options import Options

PATCH: Triple = (48, 192, 192)
# Normalisation needs more than one voxel at the deepest level.
_LEAST: Triple = (1, 64, 64)
_RATE = 3e-4
_DECAY = 3e-5
_KITS_CLASS_WEIGHTS = (0.28, 0.28, 0.44)
_KITS_DICE_WEIGHTS = (0.4, 0.6)
_OFTEN = 0.2
_GAMMA_OFTEN = 0.3


class MSSUNetRecipe(Plain):
    """The released code, which is a changed nnU-Net, trained from sparse annotation.

    From the paper's code: the network and its five heads with weights 0.6 and four
    times 0.1, exponential-logarithmic Dice (background, the first output, has none)
    and cross-entropy with the weights of KiTS where there are three outputs (else all
    alike), percentiles, mean and deviation of the labelled foreground of all volumes,
    a common spacing (the median), patches of 48 x 192 x 192, Adam (amsgrad) at 3e-4
    with decay 3e-5, rotation, scaling, elastic deformation, gamma and mirroring, the
    sliding window with Gaussian weights and mirroring. Ours: one patch a step where
    they had eight, learning-rate decay by the budget, deformation by B-splines of about
    their size, and how labels get to the coarse heads: the commonest of the labelled
    voxels. The released code interpolates label numbers, which is not defined beside
    unlabelled voxels, and invents class 1 between 0 and 2.
    """

    card = card("mssunet")

    def plan(
        self, cases: Sequence[Case], outputs: Sequence[int], options: Options
    ) -> Plan:
        """Measure the labelled foreground, and take the median spacing."""
        volumes = [volume for volume, _ in cases]
        unit = volumes[0].unit
        spacings = [volume.spacing_in(unit) for volume in volumes]
        z, y, x = np.median(spacings, axis=0)
        extents = [
            np.ceil(np.multiply(volume.shape, spacing) / (z, y, x)).astype(int)
            for volume, spacing in zip(volumes, spacings, strict=True)
        ]
        return Plan(
            recipe=self.card.name,
            outputs=tuple(outputs),
            spacing=(float(z), float(y), float(x)),
            unit=unit,
            curves=tuple(
                _foreground_curve(cases, channel)
                for channel in range(volumes[0].channels)
            ),
            patch=_patch(np.max([_LEAST, *extents], axis=0), options),
            network={"width": WIDTH, "flat": True},
            options=options.to_json(),
        )

    def module(self, channels: int, outputs: int, **options: Any) -> nn.Module:
        """Return the network alone."""
        return MSSUNet(channels, outputs, **options)

    def batches(
        self, scenes: Sequence[Scene], rng: np.random.Generator, stage: Stage
    ) -> Iterator[Batch]:
        """Yield one augmented patch a step."""
        while True:
            image, target = _augmented(
                *patches.draw_patch(scenes, rng), rng, scenes[0].plan
            )
            yield Batch(image[None], target[None])

    def patches(self, plan: Plan) -> Iterator[Triple]:
        """Yield halves of the plan's patch."""
        return patches.halved(plan.patch, MULTIPLE, (MULTIPLE[0], *_LEAST[1:]))

    def logits(self, network: nn.Module, batch: Batch) -> Heads:
        """Return the logits of the five heads, full resolution first."""
        heads: Heads = network(batch.inputs)
        return heads

    def loss(self, heads: Heads, batch: Batch, weights: Tensor) -> Tensor:
        """Return the weighted sum over the heads."""
        outputs = heads[0].shape[1]
        dice = torch.tensor(
            _KITS_DICE_WEIGHTS if outputs == 3 else [1 / (outputs - 1)] * (outputs - 1)
        )
        parts = [
            share
            * losses.exponential_logarithmic(
                head,
                losses.coarse_target(batch.target, head.shape[2:], outputs),
                dice_weights=dice,
                class_weights=weights,
            )
            for share, head in zip(HEAD_WEIGHTS, heads, strict=True)
        ]
        return torch.stack(parts).sum()

    def class_weights(self, counts: Sequence[int]) -> Tensor:
        """Return those of KiTS for three outputs, else all alike."""
        if len(counts) == len(_KITS_CLASS_WEIGHTS):
            return torch.tensor(_KITS_CLASS_WEIGHTS)
        return torch.full((len(counts),), 1 / len(counts))

    def optimizer(self, network: nn.Module) -> Optimizer:
        """Return Adam with the paper's rate and decay."""
        return Adam(network.parameters(), lr=_RATE, weight_decay=_DECAY, amsgrad=True)

    def tile(self, plan: Plan, shape: Triple) -> Triple:
        """Write large tiles: windows overlap."""
        return patches.tile_of(plan, shape)

    def reads(self, network: nn.Module, scene: Scene, box: Box) -> Box:
        """Read all windows that overlap the box."""
        return patches.windows_read(scene, box)

    def probabilities(self, network: nn.Module, scene: Scene, box: Box) -> Tensor:
        """Average windows, and their mirror images if that was chosen."""

        def predict(image: Tensor) -> Tensor:
            heads: Heads = network(image)
            return heads[0].float().softmax(1)

        mirror = (0, 1, 2) if scene.plan.options.get("mirror", True) else ()
        return patches.window_probabilities(predict, scene, box, mirror=mirror)


def _patch(largest: Sequence[int], options: Options) -> Triple:
    """Return the patch that was chosen, or that of the paper as far as volumes reach."""
    assert isinstance(options, MSSUNetOptions)
    chosen = patches.chosen_patch(options.patch, PATCH)
    check_multiple("MSS U-Net", chosen, MULTIPLE)
    return patches.patch_for(largest, chosen, MULTIPLE)


def _foreground_curve(cases: Sequence[Case], channel: int) -> GreyCurve:
    """Fit the grey values of all labelled voxels but the background's."""
    found = [
        painted_greys(volume.array, channel, labels.array, range(1, BACKGROUND))
        for volume, labels in cases
    ]
    return standardising([grey for grey in found if grey.size])


def _augmented(
    image: Tensor, target: Tensor, rng: np.random.Generator, plan: Plan
) -> tuple[Tensor, Tensor]:
    """Deform, rotate, scale, change gamma and mirror, each at random."""
    size = plan.patch
    bends, turns, scales, gamma = rng.random(4) < (
        _OFTEN,
        _OFTEN,
        _OFTEN,
        _GAMMA_OFTEN,
    )
    if bends or turns or scales:
        strength = float(rng.uniform(0, 6)) if bends else 0.0
        field = bspline_field(
            size, spacing=22.0, sd=strength, rng=rng, device=image.device
        )
        matrix = affine_matrix(
            rng,
            degrees=15.0 if turns else 0.0,
            scale=(0.85, 1.25) if scales else (1.0, 1.0),
            spacing=plan.spacing,
        )
        image, target = warp(image, target, field, matrix)
    if gamma:
        image = torch.stack([_with_gamma(c, rng.uniform(0.7, 1.5)) for c in image])
    axes = [axis for axis in (-3, -2, -1) if rng.random() < 0.5]
    return image.flip(axes), target.flip(axes)


def _with_gamma(channel: Tensor, exponent: float) -> Tensor:
    """Bend grey values, and restore their mean and deviation."""
    low, high = torch.aminmax(channel)
    share = (channel - low) / (high - low).clamp_min(1e-6)
    bent = share**exponent
    scale = channel.std() / bent.std().clamp_min(1e-6)
    return (bent - bent.mean()) * scale + channel.mean()
