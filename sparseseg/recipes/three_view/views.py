"""The three views of a box: what the 2-D U-Net says across each axis, averaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

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
_PIXELS = 100_000  # that are convolved at once
_VOXELS = 1_000_000  # of planes that are made at once: across x, few are slow to gather


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
        planes = _empty(network.voxelwise_channels, part, 0, scene.device)
        filters = bank.narrow(1, begin, part.shape[0])
        _fill(planes.movedim(0, 1), [filters, *features.told(scene, part)], network)
        found[:, begin : begin + rows] = network.first(planes).movedim(0, 1)
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
    read = shared.read
    pixels = prod(read.shape) // read.shape[axis]
    inner = list(box.relative_to(read).slices)
    inner[axis] = slice(None)
    slab, few = (max(1, count // pixels) for count in (_VOXELS, _PIXELS))
    for begin in range(0, box.shape[axis], slab):
        part = _slab(read, box, axis, begin, slab)
        shown = _shown(network, shared, part, axis)
        logits: list[Tensor] = []
        for first, planes in zip(
            *(torch.split(whole, few) for whole in shown), strict=True
        ):
            logits.append(network.corrected(first, planes).float())
            yield begin + sum(map(len, logits))
        corrected = torch.cat(logits).softmax(1).movedim(0, axis + 1)
        there = found.narrow(axis + 1, begin, part.shape[axis])
        there.copy_(corrected[(slice(None), *inner)])


def _shown(
    network: GuidedUNet, shared: _Shared, part: Box, axis: int
) -> tuple[Tensor, Tensor]:
    """Return the first probabilities (n, k, y, x) of a slab, and all that is looked at."""
    scene = shared.scene
    offset = part.start[axis] - shared.read.start[axis]
    first, filters = (
        whole.narrow(axis + 1, offset, part.shape[axis])
        for whole in (shared.first, shared.bank)
    )
    channels = len(first) + network.voxelwise_channels + network.around_channels
    planes = _empty(channels, part, axis, scene.device)
    there = planes.movedim(0, axis + 1)
    there[: len(first)].copy_(first)
    seen = [
        filters,
        *features.told(scene, part),
        features.neighbours(scene, part, axis),
        features.crossing(scene, part, axis),
    ]
    _fill(there[len(first) :], seen, network)
    known = _empty(len(first), part, axis, scene.device, kind=first.dtype)
    return known.copy_(first.movedim(axis + 1, 0)), planes


def _fill(out: Tensor, parts: Sequence[Tensor], network: GuidedUNet) -> None:
    """Write the standardised channels (c, z, y, x) of all parts one after the other."""
    begin = 0
    for part in parts:
        end = begin + len(part)
        network.standardise_into(out[begin:end], part, begin=begin)
        begin = end


def _empty(
    channels: int,
    part: Box,
    axis: int,
    device: torch.device,
    *,
    kind: torch.dtype | None = None,
) -> Tensor:
    """Return planes (n, c, rows, columns) across an axis, as convolutions like them.

    They are of the number type in which it is computed, if no other is said.
    """
    name = device.type
    if kind is None and torch.is_autocast_enabled(name):
        kind = torch.get_autocast_dtype(name)
    rows, columns = (side for other, side in enumerate(part.shape) if other != axis)
    last = torch.channels_last if name == "cpu" else torch.contiguous_format
    shape = (part.shape[axis], channels, rows, columns)
    return torch.empty(shape, dtype=kind, device=device, memory_format=last)


def _slab(read: Box, box: Box, axis: int, begin: int, rows: int) -> Box:
    start, stop = list(read.start), list(read.stop)
    start[axis] = box.start[axis] + begin
    stop[axis] = min(box.stop[axis], start[axis] + rows)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
