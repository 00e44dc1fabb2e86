"""A slice beside an annotated one, as it may look: what leads from a distance that is met.

A slice that is learned from is led by other slices, from as far away as these happen to
lie, and never to a class that it alone shows. In a prediction a voxel is led from any
distance, and to all classes. So a slice is led by an imagined neighbour as well: by itself,
moved away, and bent the more the farther away it is.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparseseg.nn.augment import bspline_field, warp
from sparseseg.recipes.guidance import GuidePlane
from sparseseg.recipes.scene import UNLABELLED_INDEX, Scene

_NEAREST = 0.5  # voxel sides
_FARTHEST = 1 / 6  # of the longest side: half of the gap between three parallel slices
_LATTICE = 16.0  # pixels between bends
_CHANGING = 24.0  # pixels between distances: all are met on one slice
# A bend deviates by half of the distance. Splines take two thirds of a deviation.
_BENT = 0.5 / 0.35
_SPREAD = 0.35

Window = tuple[slice, slice]


def imagined(
    scene: Scene, plane: GuidePlane, window: Window, rng: np.random.Generator
) -> GuidePlane:
    """Draw a window of a neighbour of a slice of the scene, as it would guide this slice.

    Its distance differs from place to place, evenly on a logarithmic scale. Beyond the
    window there is nothing: to draw all of a large slice for each crop would take long.
    """
    seen = torch.from_numpy(plane.target[window]).to(scene.device)
    shape = (1, *seen.shape)
    away = _distances(scene, shape, rng)
    bend = bspline_field(
        shape, spacing=_LATTICE, sd=_BENT, rng=rng, device=scene.device
    )
    bend *= away
    for part, side in zip(bend[1:], _sides(scene, plane), strict=True):
        part /= side
    bend[0] = 0
    known = _measured(plane, window)
    moved, seen = warp(known[:, None], seen[None], bend)
    moved[-1] += away**2
    target = np.full_like(plane.target, UNLABELLED_INDEX)
    target[window] = seen[0].cpu().numpy()
    measured = known.new_zeros(len(known), *target.shape)
    measured[(slice(None), *window)] = moved[:, 0]
    return replace(plane, target=target, inside=measured[:-1], distance=measured[-1])


def _distances(
    scene: Scene, shape: tuple[int, int, int], rng: np.random.Generator
) -> Tensor:
    """Draw how far away the neighbour is, in voxel sides (1, rows, columns)."""
    sizes = zip(scene.volume.shape, scene.plan.anisotropy, strict=True)
    farthest = max(_FARTHEST * max(size * side for size, side in sizes), 2 * _NEAREST)
    drawn = bspline_field(
        shape, spacing=_CHANGING, sd=1 / _SPREAD, rng=rng, device=scene.device
    )[0]
    share = torch.special.ndtr(drawn)
    return _NEAREST * torch.exp(share * math.log(farthest / _NEAREST))


def _sides(scene: Scene, plane: GuidePlane) -> tuple[float, ...]:
    """Return the sides of a pixel of the plane, the smallest of a voxel as 1."""
    anisotropy = enumerate(scene.plan.anisotropy)
    return tuple(side for axis, side in anisotropy if axis != plane.where.axis)


def _measured(plane: GuidePlane, window: Window) -> Tensor:
    """Return how far inside of outputs pixels are, and how far from labels in the plane."""
    inside = plane.inside[(slice(None), *window)]
    away = plane.distance
    in_plane = torch.zeros_like(inside[0]) if away is None else away[window]
    return torch.cat([inside, in_plane[None]])
