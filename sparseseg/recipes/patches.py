"""For 3-D networks: patches round labelled voxels, and prediction by windows."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Box, Triple
from sparseseg.errors import UserError
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.sampling import draw_case, draw_place
from sparseseg.recipes.scene import Scene

# A window's weight at its centre is 1, and falls with an eighth of its side.
_NARROWNESS = 8
_LEAST_WEIGHT = 1e-3
_TILE_VOXELS = 32_000_000

Probabilities = Callable[[Tensor], Tensor]


def patch_for(shape: Sequence[int], limit: Triple, multiple: Triple) -> Triple:
    """Return the patch for volumes up to `shape`: within `limit`, of legal size."""
    z, y, x = (
        min(most, int(-(-size // step) * step))
        for size, most, step in zip(shape, limit, multiple, strict=True)
    )
    return z, y, x


def chosen_patch(words: str, otherwise: Triple) -> Triple:
    """Read the option `patch`, such as 48x128x128; raise `UserError` for other words."""
    if not words:
        return otherwise
    found = re.fullmatch(r"(\d+)[ x,]+(\d+)[ x,]+(\d+)", words.strip().lower())
    if not found:
        raise UserError(
            "option patch is sides z x y x x of a training patch, such as 48x128x128, "
            "got {words!r}",
            words=words,
        )
    return int(found[1]), int(found[2]), int(found[3])


def halved(patch: Triple, multiple: Triple, least: Triple) -> Iterator[Triple]:
    """Yield a patch, and it with its longest side halved, again and again.

    Sides stay multiples of `multiple` and at least `least`.
    """
    while True:
        yield patch
        sides = [
            max(low, -(-side // (2 * step)) * step)
            for side, step, low in zip(patch, multiple, least, strict=True)
        ]
        can = [axis for axis in range(3) if sides[axis] < patch[axis]]
        if not can:
            return
        axis = max(can, key=lambda a: patch[a])
        z, y, x = (sides[a] if a == axis else side for a, side in enumerate(patch))
        patch = (z, y, x)


def box_round(centre: Triple, size: Triple) -> Box:
    """Return the box of this size round a voxel; it may reach outside the volume."""
    (a, b, c), (d, e, f) = centre, size
    z, y, x = a - d // 2, b - e // 2, c - f // 2
    return Box((z, y, x), (z + d, y + e, x + f))


def extent(scene: Scene) -> Triple:
    """Return how many voxels of a volume a patch of its plan covers."""
    plan = scene.plan
    sides = scene.volume.spacing_in(plan.unit)
    z, y, x = (
        max(1, round(size * wanted / side))
        for size, wanted, side in zip(plan.patch, plan.spacing, sides, strict=True)
    )
    return z, y, x


def draw_patch(
    scenes: Sequence[Scene], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a patch (c, z, y, x) round a labelled voxel, and its target (z, y, x).

    A volume of another spacing than the plan's is resampled: grey values linearly,
    targets to the nearest.
    """
    scene = draw_case(scenes, rng)
    size = extent(scene)
    centre = draw_place(scene, rng)
    room = [
        int(at + rng.integers(-(side // 4), side // 4 + 1))
        for at, side in zip(centre, size, strict=True)
    ]
    box = box_round((room[0], room[1], room[2]), size)
    grey = _resized(scene.grey(box), scene.plan.patch)
    return grey, _nearest(scene.target(box), scene.plan.patch)


def window_probabilities(
    predict: Probabilities, scene: Scene, box: Box, *, mirror: Sequence[int] = ()
) -> Tensor:
    """Average overlapping windows (Gaussian weights) into (k, z, y, x) of a box.

    Windows stand half a patch apart on a grid that the volume alone decides, so that a
    voxel's answer does not depend on the box. `predict` maps (1, c, z, y, x) to
    probabilities; `mirror` names the axes that are also shown mirrored.
    """
    size = extent(scene)
    weight = _gaussian(size).to(scene.device)
    total = torch.zeros(len(scene.plan.outputs), *box.shape, device=scene.device)
    weights = torch.zeros(box.shape, device=scene.device)
    for window in _windows(scene.volume.shape, size, box):
        grey = _resized(scene.grey(window), scene.plan.patch)
        found = _mirrored(predict, grey[None], mirror)[0].float()
        found = _resized(found, size)
        seen = window.intersect(box)
        inside, there = seen.relative_to(window), seen.relative_to(box)
        share = weight[inside.slices]
        total[(slice(None), *there.slices)] += (
            share * found[(slice(None), *inside.slices)]
        )
        weights[there.slices] += share
    return total / weights


def tile_of(plan: Plan, shape: Triple) -> Triple:
    """Return a large tile, because windows at its border are computed twice."""
    side = max(1, int((_TILE_VOXELS / max(1, len(plan.outputs) - 1)) ** (1 / 3)))
    z, y, x = (min(size, side) for size in shape)
    return z, y, x


def windows_read(scene: Scene, box: Box) -> Box:
    """Return what all windows together read that overlap a box."""
    z, y, x = (side - 1 for side in extent(scene))
    return box.expand((z, y, x)).clip(scene.volume.shape)


def _windows(shape: Triple, size: Triple, box: Box) -> Iterator[Box]:
    axes = (
        [(low, low + side) for low in _starts(length, side)]
        for length, side in zip(shape, size, strict=True)
    )
    for (z, z1), (y, y1), (x, x1) in product(*axes):
        window = Box((z, y, x), (z1, y1, x1))
        if not window.intersect(box).is_empty:
            yield window


def _starts(length: int, side: int) -> list[int]:
    """Return where windows begin: evenly, at most half a side apart."""
    if length <= side:
        return [-((side - length) // 2)]
    steps = -(-(length - side) // max(1, side // 2))
    return [round(i * (length - side) / steps) for i in range(steps + 1)]


def _gaussian(size: Triple) -> Tensor:
    z, y, x = (
        torch.exp(
            -0.5
            * ((torch.arange(n) - (n - 1) / 2) / max(n / _NARROWNESS, 0.5)).square()
        )
        for n in size
    )
    weight: Tensor = z[:, None, None] * y[:, None] * x
    clamped: Tensor = torch.clamp(weight, min=_LEAST_WEIGHT)
    return clamped


def _mirrored(predict: Probabilities, grey: Tensor, axes: Sequence[int]) -> Tensor:
    total = predict(grey)
    for chosen in list(product((False, True), repeat=len(axes)))[1:]:
        flips = [axis + 2 for axis, flip in zip(axes, chosen, strict=True) if flip]
        total = total + predict(grey.flip(flips)).flip(flips)
    mean: Tensor = total / 2 ** len(axes)
    return mean


def _resized(channels: Tensor, size: Triple) -> Tensor:
    if channels.shape[1:] == size:
        return channels
    return F.interpolate(
        channels[None], size=size, mode="trilinear", align_corners=False
    )[0]


def _nearest(target: Tensor, size: Triple) -> Tensor:
    if target.shape == size:
        return target
    wide = F.interpolate(target[None, None].double(), size=size, mode="nearest-exact")
    return wide[0, 0].long()
