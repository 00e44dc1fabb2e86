"""The three views of a box: what the 2-D U-Net says across each axis, averaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.nn.guided_unet import GuidedUNet
from sparseseg.recipes.recipe import Work
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import features

HALO = 24
"""Voxels that the U-Net reads beyond a box."""
WIDTHS = (16, 32, 64)
STEP = 2 ** (len(WIDTHS) - 1)
"""Of what the start of a plane is a multiple, so that poolings fall in step."""
_PIXELS = 100_000  # at once


def averaged(network: GuidedUNet, scene: Scene, box: Box) -> Work:
    """Return the probabilities (k, z, y, x) of a box, averaged over the views.

    Of a single slice, its own view alone is taken. Yields how far it is after every few
    planes: of a large box each view takes a while.
    """
    views = network.views.tolist()
    flat = [axis for axis in range(3) if box.shape[axis] == 1 and views[axis] > 0]
    if flat:
        views = [float(axis == flat[0]) for axis in range(3)]
    read = _grown(box, scene, views)
    bank = features.features(scene, read)
    shared = _Shared(scene, read, bank, _voxelwise(network, scene, bank, read))
    total = torch.zeros(len(scene.plan.outputs), *box.shape, device=scene.device)
    parts = 1 + sum(box.shape[axis] for axis, weight in enumerate(views) if weight > 0)
    done = 1
    yield done, parts
    for axis, weight in enumerate(views):
        if weight > 0:
            seen = torch.empty_like(total)
            for planes in _filled(seen, network, shared, box, axis):
                yield done + planes, parts
            total += weight / sum(views) * seen
            done += box.shape[axis]
    return total


def _grown(box: Box, scene: Scene, views: Sequence[float]) -> Box:
    """Return the box with what the U-Net reads beyond it, inside the volume."""
    seen = [
        any(w > 0 and view != axis for view, w in enumerate(views)) for axis in range(3)
    ]
    z, y, x = (HALO * sees for sees in seen)
    wide = box.expand((z, y, x)).clip(scene.volume.shape)
    # Poolings fall in step whatever the tile, where its start is a multiple of theirs.
    z, y, x = (
        start // STEP * STEP if sees else start
        for start, sees in zip(wide.start, seen, strict=True)
    )
    return Box((z, y, x), wide.stop)


def _voxelwise(network: GuidedUNet, scene: Scene, bank: Tensor, read: Box) -> Tensor:
    """Return what all views begin with: the probabilities (k, z, y, x) of each voxel."""
    found = torch.empty(len(scene.plan.outputs), *read.shape, device=scene.device)
    rows = max(1, _PIXELS // (read.shape[1] * read.shape[2]))
    for begin in range(0, read.shape[0], rows):
        part = _slab(read, read, 0, begin, rows)
        filters = bank.narrow(1, begin, part.shape[0]).float()
        alone = features.of_voxels(filters, scene, part)
        found[:, begin : begin + rows] = network.voxelwise(alone[None])[0]
    return found


@dataclass(frozen=True, eq=False)
class _Shared:
    """What all views of a box look at."""

    scene: Scene
    read: Box
    bank: Tensor
    first: Tensor
    """The probabilities (k, z, y, x) of the voxel-wise classifier."""


def _filled(
    found: Tensor, network: GuidedUNet, shared: _Shared, box: Box, axis: int
) -> Iterator[int]:
    """Fill in the corrected probabilities of one view for a box inside what is read.

    Yields how many planes are done.
    """
    scene, read = shared.scene, shared.read
    rows = max(
        1,
        _PIXELS // (read.shape[0] * read.shape[1] * read.shape[2] // read.shape[axis]),
    )
    for begin in range(0, box.shape[axis], rows):
        part = _slab(read, box, axis, begin, rows)
        offset = part.start[axis] - read.start[axis]
        size = part.shape[axis]
        filters = shared.bank.narrow(axis + 1, offset, size).float()
        planes = features.stacked(
            filters, features.neighbours(scene, part, axis), scene, part, axis
        )
        known = shared.first.narrow(axis + 1, offset, size)
        logits = network.corrected(_laid_out(known, axis), _laid_out(planes, axis))
        corrected = logits.float().softmax(1).movedim(0, axis + 1)
        inner = [
            slice(a - r, b - r)
            for a, b, r in zip(box.start, box.stop, read.start, strict=True)
        ]
        inner[axis] = slice(None)
        found.narrow(axis + 1, begin, size).copy_(corrected[(slice(None), *inner)])
        yield begin + size


def _laid_out(channels: Tensor, axis: int) -> Tensor:
    """Return the planes (n, c, rows, columns) across an axis, as convolutions like them."""
    planes = channels.movedim(axis + 1, 0)
    on_cpu = planes.device.type == "cpu"
    return planes.contiguous(
        memory_format=torch.channels_last if on_cpu else torch.contiguous_format
    )


def _slab(read: Box, box: Box, axis: int, begin: int, rows: int) -> Box:
    start, stop = list(read.start), list(read.stop)
    start[axis] = box.start[axis] + begin
    stop[axis] = min(box.stop[axis], start[axis] + rows)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
