"""Made-up structures: which class each voxel of a volume is, many kinds at random.

A `Grid` has the places of its voxels in sides of the shortest voxel edge, so that a
structure looks the same whatever the voxel size. A shape function returns an int64
tensor (z, y, x): 0 where there is nothing, then 1, 2, ... .
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Triple

_RAREST = 0.003  # of the voxels: a rarer class is dropped
_MOST = 6


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxels of a volume that is about a cube."""

    shape: Triple
    anisotropy: tuple[float, float, float]

    @property
    def side(self) -> float:
        """The longest side of the volume."""
        return max(n * a for n, a in zip(self.shape, self.anisotropy, strict=True))

    def places(self) -> Tensor:
        """Return where the voxels are (3, z, y, x)."""
        axes = [
            torch.arange(n) * a
            for n, a in zip(self.shape, self.anisotropy, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij")).float()

    def coarser(self, factor: float) -> "Grid":
        """Return a grid of the same extent with fewer voxels."""
        z, y, x = (max(2, math.ceil(n / factor)) for n in self.shape)
        sides = [
            n * a / m
            for n, a, m in zip(self.shape, self.anisotropy, (z, y, x), strict=True)
        ]
        return Grid((z, y, x), (sides[0], sides[1], sides[2]))

    def stretched(self, channels: Tensor, mode: str = "trilinear") -> Tensor:
        """Return channels (c, z, y, x) of a coarser grid on this one."""
        corners = {"align_corners": True} if mode == "trilinear" else {}
        return F.interpolate(channels[None], size=self.shape, mode=mode, **corners)[0]


def grid(voxels: int, rng: np.random.Generator) -> Grid:
    """Draw a grid: every second one has a coarse axis, up to twelve times."""
    ratio = float(np.exp(rng.uniform(0, math.log(12)))) if rng.random() < 0.5 else 1.0
    side = (voxels * ratio) ** (1 / 3)
    axis = int(rng.integers(3))
    shape = [round(side)] * 3
    anisotropy = [1.0] * 3
    shape[axis], anisotropy[axis] = max(8, round(side / ratio)), ratio
    return Grid(
        (shape[0], shape[1], shape[2]), (anisotropy[0], anisotropy[1], anisotropy[2])
    )


def noise(
    where: Grid, scale: float, rng: np.random.Generator, *, channels: int = 1
) -> Tensor:
    """Return smooth noise (c, z, y, x) of about deviation 1; `scale` is its grain."""
    total = torch.zeros(channels, *where.shape)
    for part, weight in ((scale, 1.0), (scale / 1.7, 0.6)):
        z, y, x = (
            max(2, math.ceil(n * a / part) + 1)
            for n, a in zip(where.shape, where.anisotropy, strict=True)
        )
        coarse = rng.standard_normal((channels, z, y, x), np.float32)
        total += weight * where.stretched(torch.from_numpy(coarse))
    return total / total.std().clamp_min(1e-6)


def structure(where: Grid, rng: np.random.Generator) -> Tensor:
    """Return classes 0..k-1 (z, y, x) of one to three structures, some in others."""
    while True:
        found = _shape(where, rng)
        for _ in range(int(rng.integers(0, 3))):
            found = _joined(found, _shape(where, rng), rng)
        found = _common(found)
        if int(found.max()) > 0:
            return found


def _shape(where: Grid, rng: np.random.Generator) -> Tensor:
    kinds = (
        blobs,
        cells,
        bands,
        tubes,
        shells,
        layers,
    )
    kind = kinds[rng.choice(len(kinds), p=(0.3, 0.15, 0.2, 0.12, 0.08, 0.15))]
    places = where.places()
    if rng.random() < 0.8:
        grain = where.side * rng.uniform(0.15, 0.6)
        strength = grain * rng.uniform(0.05, 0.25)
        places = places + strength * noise(where, grain, rng, channels=3)
    return kind(where, places, rng)


def _joined(one: Tensor, other: Tensor, rng: np.random.Generator) -> Tensor:
    """Put another structure inside of one class, or over all."""
    inside = int(rng.integers(0, int(one.max()) + 1))
    room = (
        one == inside if rng.random() < 0.7 else torch.ones_like(one, dtype=torch.bool)
    )
    return torch.where(room & (other > 0), other + one.max(), one)


def _common(found: Tensor) -> Tensor:
    """Keep the classes that are common, numbered without a gap; the rest is 0."""
    share = torch.bincount(found.flatten()) / found.numel()
    kept = [int(c) for c in share.argsort(descending=True) if share[c] > _RAREST]
    kept = [c for c in kept if c][: _MOST - 1]
    result = torch.zeros_like(found)
    for number, value in enumerate(kept, start=1):
        result[found == value] = number
    return result


def blobs(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw ellipsoids of one to three classes; the nearest one has a voxel."""
    kinds = int(rng.integers(1, 4))
    size = where.side * float(np.exp(rng.uniform(math.log(0.05), math.log(0.45))))
    count = int(np.clip(0.4 * (where.side / (2 * size)) ** 3, 1, 24)) + kinds
    least = torch.full(where.shape, float("inf"))
    found = torch.zeros(where.shape, dtype=torch.int64)
    for _ in range(count):
        centre = rng.uniform(0, where.side, 3)
        radii = size * np.exp(rng.normal(0, 0.25, 3))
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        matrix = torch.from_numpy(turn / radii[:, None]).float()
        away = places - torch.from_numpy(centre).float()[:, None, None, None]
        far = torch.einsum("ij,jzyx->izyx", matrix, away).square().sum(0)
        nearer = (far < 1) & (far < least)
        least = torch.where(nearer, far, least)
        found[nearer] = int(rng.integers(1, kinds + 1))
    return found


def cells(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw cells with walls; some of the cells are of further classes."""
    small = where.coarser(2)
    count = int(np.exp(rng.uniform(math.log(8), math.log(120))))
    tree = cKDTree(rng.uniform(-0.1, 1.1, (count, 3)) * where.side)
    coarse = F.interpolate(
        places[None], size=small.shape, mode="trilinear", align_corners=True
    )[0]
    away, which = tree.query(coarse.flatten(1).T.numpy(), k=2)
    gap = torch.from_numpy((away[:, 1] - away[:, 0]).reshape(1, *small.shape)).float()
    wall = where.stretched(gap)[0] < rng.uniform(1.5, 5.0)
    kinds = torch.from_numpy(rng.integers(0, 1 + rng.integers(0, 3) + 1, count))
    inner = kinds[torch.from_numpy(which[:, 0])].view(1, *small.shape)
    filled = where.stretched(inner.float(), "nearest")[0].long()
    return torch.where(wall, 1, torch.where(filled > 0, filled + 1, 0))


def bands(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Cut smooth noise at its quantiles."""
    field = noise(where, where.side * rng.uniform(0.08, 0.5), rng)[0]
    cuts = np.sort(rng.uniform(0.1, 0.95, int(rng.integers(1, 4))))
    return _above(field, cuts)


def tubes(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Follow the lines where two fields of noise are 0."""
    field = noise(where, where.side * rng.uniform(0.15, 0.5), rng, channels=2)
    share = float(np.exp(rng.uniform(math.log(0.01), math.log(0.1))))
    return 1 - _above(field.square().sum(0), np.array([share]))


def shells(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Follow the surface where noise has one value; both sides may be classes."""
    field = noise(where, where.side * rng.uniform(0.2, 0.6), rng)[0]
    middle, half = rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.08)
    found = _above(field, np.array([middle - half, middle + half]))
    return torch.where(found == 2, 2 if rng.random() < 0.5 else 0, found)


def layers(where: Grid, places: Tensor, rng: np.random.Generator) -> Tensor:
    """Cut along a direction, or round a point, at random places."""
    if rng.random() < 0.5:
        way = torch.from_numpy(rng.normal(size=3)).float()
        field = torch.einsum("i,izyx->zyx", way, places)
    else:
        centre = torch.from_numpy(rng.uniform(0, where.side, 3)).float()
        field = (places - centre[:, None, None, None]).square().sum(0)
    return _above(field, np.sort(rng.uniform(0.05, 0.95, int(rng.integers(1, 5)))))


def _above(field: Tensor, cuts: np.ndarray) -> Tensor:
    """Return how many of these quantiles a field is above."""
    sample = field.flatten()[:: max(1, field.numel() // 20_000)]
    values = torch.quantile(sample, torch.from_numpy(cuts).float())
    return torch.bucketize(field.contiguous(), values)
