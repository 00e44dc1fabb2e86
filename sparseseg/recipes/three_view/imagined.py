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
from sparseseg.recipes.scene import Scene

_NEAREST = 0.5  # voxel sides
_FARTHEST = 1 / 6  # of the longest side: half of the gap between three parallel slices
_LATTICE = 16.0  # pixels between bends
_CHANGING = 24.0  # pixels between distances: all are met on one slice
# A bend deviates by half of the distance. Splines take two thirds of a deviation.
_BENT = 0.5 / 0.35
_SPREAD = 0.35


def imagined(scene: Scene, plane: GuidePlane, rng: np.random.Generator) -> GuidePlane:
    """Draw a neighbour of a slice of the scene, as it would guide this slice.

    Its distance differs from place to place, evenly on a logarithmic scale.
    """
    rows, columns = plane.target.shape
    away = _distances(scene, (1, rows, columns), rng)
    bend = bspline_field(
        (1, rows, columns), spacing=_LATTICE, sd=_BENT, rng=rng, device=scene.device
    )
    bend *= away
    for part, side in zip(bend[1:], _sides(scene, plane), strict=True):
        part /= side
    bend[0] = 0
    known = plane.inside if plane.distance is None else _with_distance(plane)
    target = torch.from_numpy(plane.target).to(scene.device)
    moved, seen = warp(known[:, None], target[None], bend)
    outputs = len(plane.inside)
    in_plane = moved[outputs:, 0].sum(0)  # nothing, if the slice is complete
    return replace(
        plane,
        target=seen[0].cpu().numpy(),
        inside=moved[:outputs, 0],
        distance=in_plane + away[0] ** 2,
    )


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


def _with_distance(plane: GuidePlane) -> Tensor:
    assert plane.distance is not None
    return torch.cat([plane.inside, plane.distance[None]])
