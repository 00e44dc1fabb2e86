"""For guided 3-D networks: patches in which some slices lead and others are learned from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Box
from sparseseg.nn.augment import affine_matrix, bspline_field, flip_rotate, jitter, warp
from sparseseg.nn.losses import IGNORE
from sparseseg.recipes.patches import box_round
from sparseseg.recipes.recipe import Batch
from sparseseg.recipes.resident import resident_grey
from sparseseg.recipes.sampling import draw_case, draw_labelled, place_of
from sparseseg.recipes.scene import Scene

_PATCHES = 2  # a step
_ASKED = 4  # classes a step, at most
_UNGUIDED = 0.25  # of the patches: the model has to work where nothing is annotated
_SEVERAL = 0.5  # the same, of several volumes: such a model is meant for others
_OWN = 0.1  # of the patches are led by all slices: a prediction meets slices so near
_WARPED = 0.5  # of the patches


def channels(scene: Scene, box: Box) -> Tensor:
    """Return image, coordinates and guidance (c + 1 + k, z, y, x) of a box inside."""
    grey = resident_grey(scene, box)
    return torch.cat([grey, scene.coordinates(box), scene.guide(box)])


def batch_of(scenes: Sequence[Scene], rng: np.random.Generator) -> Batch:
    """Draw patches, and ask for a few classes that are labelled in them."""
    share = _SEVERAL if len(scenes) > 1 else _UNGUIDED
    drawn = [_patch(draw_case(scenes, rng), share, rng) for _ in range(_PATCHES)]
    inputs, targets = (torch.stack(part) for part in zip(*drawn, strict=True))
    return _asked(inputs, targets, len(scenes[0].plan.outputs), rng)


def _patch(
    scene: Scene, unguided: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Cut and change one patch; what leads is not learned from, with few exceptions."""
    plane, pixel = draw_labelled(scene, rng)
    leading, learned = _parted(scene, plane, unguided, rng)
    plan = scene.plan
    box = box_round(place_of(scene, plane, pixel), plan.patch)
    target = learned.target(box)
    if leading is not scene:
        target.masked_fill_(leading.target(box) != IGNORE, IGNORE)
    inputs, target = flip_rotate(
        _inputs(leading, box), target, rng, spacing=plan.spacing
    )
    image = jitter(inputs[: plan.channels], rng, shift=0.3, noise=0.2)
    inputs = torch.cat([image, inputs[plan.channels :]])
    if rng.random() < _WARPED:
        inputs, target = _warped(inputs, target, scene, rng)
    return inputs, target


def _parted(
    scene: Scene, plane: int, unguided: float, rng: np.random.Generator
) -> tuple[Scene, Scene]:
    """Return the scene as it leads, and with the slices that are learned from.

    These have the drawn plane among them. A single slice does not lead: it would teach
    to trust it however far away it is.
    """
    every = scene.slices
    kind = rng.random()
    if len(every) == 1 or kind < unguided:
        return scene.without(every), scene
    if kind > 1 - _OWN:
        return scene, scene
    share = rng.random()
    learned = {every[plane], *(where for where in every if rng.random() < share)}
    return scene.without(learned), scene.without(set(every) - learned)


def _inputs(scene: Scene, box: Box) -> Tensor:
    """Return the channels of a box that may reach beyond the volume."""
    inside = box.clip(scene.volume.shape)
    rest = torch.cat([scene.coordinates(inside), scene.guide(inside)])
    edges = zip(box.start, inside.start, inside.stop, box.stop, strict=True)
    padding = [side for a, b, c, d in reversed(list(edges)) for side in (b - a, d - c)]
    if any(padding):
        rest = F.pad(rest[None], padding, mode="replicate")[0]
    return torch.cat([resident_grey(scene, box), rest])


def _warped(
    inputs: Tensor, target: Tensor, scene: Scene, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    z, y, x = target.shape
    plan = scene.plan
    field = bspline_field((z, y, x), spacing=16.0, sd=1.5, rng=rng, device=scene.device)
    matrix = affine_matrix(rng, degrees=15.0, scale=(0.8, 1.25), spacing=plan.spacing)
    return warp(inputs, target, field, matrix)


def _asked(
    inputs: Tensor, target: Tensor, outputs: int, rng: np.random.Generator
) -> Batch:
    """Keep the channels and labels of a few classes: those that are there, then others."""
    batch = Batch(inputs, target)
    if outputs <= _ASKED:
        return batch
    there = [int(c) for c in torch.unique(target).tolist() if c != IGNORE]
    absent = [c for c in range(outputs) if c not in there]
    # One is absent, where one is, so that a class learns also where it is not.
    order = [*rng.permutation(there), *rng.permutation(absent)]
    order.insert(_ASKED - 1, order.pop(len(there) % outputs))
    chosen = sorted(int(c) for c in order[:_ASKED])
    asked = torch.tensor(chosen, device=inputs.device)
    index = torch.full((outputs + 1,), IGNORE, device=inputs.device)
    index[asked] = torch.arange(len(chosen), device=inputs.device)
    alone = inputs.shape[1] - outputs
    kept = torch.cat([inputs[:, :alone], inputs[:, alone:][:, asked]], 1)
    # The last entry is for what is not labelled, whose index is -1.
    return replace(batch, inputs=kept, target=index[target], asked=asked)
