"""The product's own task on a made-up volume: some slices are shown, the rest is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from looks import look
from shapes import Grid, grid, structure
from torch import Tensor

from sparseseg.boxes import Box, Triple
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.recipes.guidance import Guidance, guide_plane

_GAP = (8.0, 60.0)  # between two slices, in sides of the shortest voxel edge
_LAYOUTS = ((0, 1, 2), (0, 1, 2), (0, 1, 2), (0,), (1,), (2,), (0, 1), (1, 2), (0, 2))


@dataclass(frozen=True, eq=False)
class Task:
    """A volume, its truth, and what the shown slices say."""

    grid: Grid
    grey: Tensor
    """(z, y, x), spread evenly over -2..2."""
    classes: Tensor
    """(z, y, x), 0..k-1."""
    guide: Tensor
    """(1 + k, z, y, x): how near a shown slice is, then how far inside each class."""
    shown: Tensor
    """(z, y, x): whether a voxel lies on a shown slice."""

    @property
    def outputs(self) -> int:
        """How many classes there are."""
        return len(self.guide) - 1


def draw_task(voxels: int, rng: np.random.Generator) -> Task:
    """Draw a volume of about so many voxels, and which slices of it are shown."""
    where = grid(voxels, rng)
    classes = structure(where, rng)
    grey = look(classes, where, rng)
    slices = _slices(where, rng)
    guide, shown = _guided(classes, where, slices)
    return Task(where, grey, classes, guide, shown)


def draw_box(task: Task, size: Triple, asked: int, rng: np.random.Generator) -> Box:
    """Draw a box of this size that holds a voxel of a class, as a rule."""
    members = (task.classes == asked).nonzero()
    shape = task.grid.shape
    if len(members) and rng.random() < 0.9:
        centre = members[int(rng.integers(len(members)))].tolist()
    else:
        centre = [int(rng.integers(n)) for n in shape]
    centre = [
        at + int(rng.integers(-(s // 3), s // 3 + 1))
        for at, s in zip(centre, size, strict=True)
    ]
    start = [
        int(np.clip(at - s // 2, 0, n - s))
        for at, s, n in zip(centre, size, shape, strict=True)
    ]
    z, y, x = start
    return Box((z, y, x), (z + size[0], y + size[1], x + size[2]))


def _slices(where: Grid, rng: np.random.Generator) -> list[AnnotatedSlice]:
    axes = _LAYOUTS[rng.integers(len(_LAYOUTS))]
    gap = float(np.exp(rng.uniform(*np.log(_GAP))))
    found = []
    for axis in axes:
        length, side = where.shape[axis], where.anisotropy[axis]
        step = max(2.0, gap / side)
        places = np.arange(rng.uniform(0, step), length, step).astype(int)
        found += [_slice(where, axis, int(at)) for at in places]
    if not found:
        found.append(_slice(where, axes[0], where.shape[axes[0]] // 2))
    return found


def _guided(
    classes: Tensor, where: Grid, slices: Sequence[AnnotatedSlice]
) -> tuple[Tensor, Tensor]:
    k = int(classes.max()) + 1
    shown = torch.zeros(where.shape, dtype=torch.bool)
    planes = []
    for one in slices:
        target = classes.select(one.axis, one.index).numpy().astype(np.int16)
        planes.append(
            guide_plane(one, target, where.anisotropy, k, torch.device("cpu"))
        )
        shown.select(one.axis, one.index).fill_(True)
    guidance = Guidance(where.anisotropy, planes, k, torch.device("cpu"))
    return guidance(Box.whole(where.shape)), shown


def _slice(where: Grid, axis: int, index: int) -> AnnotatedSlice:
    pixels = int(np.prod(where.shape)) // where.shape[axis]
    return AnnotatedSlice(axis, index, pixels, True)
