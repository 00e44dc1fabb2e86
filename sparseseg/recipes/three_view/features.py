"""What the interactive U-Net sees of a plane: filters, neighbours and guidance."""

import math
from collections.abc import Generator, Hashable, Iterator
from math import prod

import torch
from torch import Tensor

from sparseseg.boxes import Box, Triple, tiles
from sparseseg.nn.filters import filter_bank, filter_count, filter_grid, filter_halo
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.work import result_of

NEIGHBOURS = (-2, -1, 1, 2)
_REMEMBERED = 24_000_000  # voxels, of all volumes, whose whole bank is kept: 1 GB
_BANK_TILE = (64, 128, 128)
_READ = 10_000_000  # voxels at once, of which a bank is made
_RECENT = 6_000_000  # voxels of planes, of each volume, whose bank is kept: 250 MB
BANK = 2
"""Which filters a new model looks at; the first kind mirrored the volume at its ends."""


def features(scene: Scene, box: Box) -> Tensor:
    """Return the filter bank (channels * filters, z, y, x) of a box, half precision."""
    if not scene.keeps:
        return result_of(_bank(scene, box))
    for _ in kept(scene):
        pass
    whole = _BANKS.get(scene.volume, key_of(scene))
    if whole is not None:
        return whole[(slice(None), *box.slices)]
    return _of_plane(scene, box) if 1 in box.shape else _of_tile(scene, box)


def _of_plane(scene: Scene, box: Box) -> Tensor:
    """Return the bank of a plane; previews and trees ask for the last ones again."""
    key = key_of(scene)
    recent = _RECENTLY.get(scene.volume, key) or {}
    around = next((known for known in recent if known.intersect(box) == box), box)
    found = recent.pop(around, None)
    recent[around] = result_of(_bank(scene, box)) if found is None else found
    while (
        len(recent) > 1 and sum(bank[0].numel() for bank in recent.values()) > _RECENT
    ):
        del recent[next(iter(recent))]
    _RECENTLY.keep(scene.volume, key, recent)
    return recent[around][(slice(None), *box.relative_to(around).slices)]


_RECENTLY: Kept[dict[Box, Tensor]] = Kept()


def _of_tile(scene: Scene, box: Box) -> Tensor:
    """Return the bank of a tile; trees ask for the inside of the last one again."""
    key = key_of(scene)
    around, found = _LAST.get(scene.volume, key) or (box, None)
    if found is None or around.intersect(box) != box:
        # Let go of first, as there may be no room for two.
        found = None
        _LAST.keep(scene.volume, key, None)
        around, found = box, result_of(_bank(scene, box))
        _LAST.keep(scene.volume, key, (around, found))
    return found[(slice(None), *box.relative_to(around).slices)]


_LAST: Kept[tuple[Box, Tensor] | None] = Kept()


def kept(scene: Scene) -> Iterator[float]:
    """Make the bank of a whole volume if there is room for it, and yield how far it is.

    Slices in three orientations need nearly all of it, and every preview needs it again.
    """
    key = key_of(scene)
    if _BANKS.get(scene.volume, key) is None and _has_room(scene):
        whole = yield from _bank(scene, Box.whole(scene.volume.shape))
        _BANKS.keep(scene.volume, key, whole)


_BANKS: Kept[Tensor] = Kept()


def _has_room(scene: Scene) -> bool:
    others = (v.array.size for v in _BANKS.volumes if v is not scene.volume)
    return bool(scene.volume.array.size + sum(others) <= _REMEMBERED)


def key_of(scene: Scene) -> Hashable:
    """Return what the filters of a volume depend on, besides the volume."""
    return scene.plan, scene.device


def sides(plan: Plan) -> Triple | tuple[float, float, float]:
    """Return the voxel size z, y, x that the filters go by, the smallest as 1.

    It is rounded down to powers of two, because octaves can follow no other.
    """
    if plan.network.get("bank", 1) < BANK:
        return plan.anisotropy
    z, y, x = (2 ** int(math.log2(side) + _ROUNDING) for side in plan.anisotropy)
    return z, y, x


_ROUNDING = 1e-6  # so that 0.2 / 0.1 is 2


def reach(plan: Plan) -> Triple:
    """Return how many voxels z, y, x beyond a box its filters and neighbours depend on."""
    axes = zip(filter_halo(sides(plan)), filter_grid(sides(plan)), strict=True)
    z, y, x = (max(halo + grid - 1, *NEIGHBOURS) for halo, grid in axes)
    return z, y, x


def _bank(scene: Scene, box: Box) -> Generator[float, None, Tensor]:
    volume = scene.volume
    count = volume.channels * filter_count()
    found = torch.empty(count, *box.shape, dtype=torch.float16, device=scene.device)
    for tile in tiles(volume.shape, tile=_tile(scene.plan, box), box=box):
        there = tile.write.relative_to(box).slices
        found[(slice(None), *there)] = _filtered(scene, tile.write).half()
        yield tile.done / tile.total
    return found


def _tile(plan: Plan, box: Box) -> Triple:
    """Return the sides of the parts of a box: of a plane they are longer, for less halo."""
    halo = filter_halo(sides(plan))
    z, y, x = map(min, box.shape, _BANK_TILE)
    part = [z, y, x]
    while True:
        short = [axis for axis in range(3) if part[axis] < box.shape[axis]]
        if not short:
            break
        axis = min(short, key=lambda n: part[n] - box.shape[n] / 1e6)
        longer = [*part]
        longer[axis] = min(2 * part[axis], box.shape[axis])
        if prod(n + 2 * h for n, h in zip(longer, halo, strict=True)) > _READ:
            break
        part = longer
    return part[0], part[1], part[2]


def _filtered(scene: Scene, box: Box) -> Tensor:
    plan = scene.plan
    grid, halo = filter_grid(sides(plan)), filter_halo(sides(plan))
    wide = box.expand(halo)
    start = tuple(a // g * g for a, g in zip(wide.start, grid, strict=True))
    stop = tuple(-(-b // g) * g for b, g in zip(wide.stop, grid, strict=True))
    read = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    if plan.network.get("bank", 1) >= BANK:
        read = read.clip(scene.volume.shape)
    inner = [
        slice(a - r, b - r)
        for a, b, r in zip(box.start, box.stop, read.start, strict=True)
    ]
    grey = scene.grey(read)
    return torch.cat([filter_bank(channel, sides(plan), inner) for channel in grey])


def neighbours(scene: Scene, box: Box, axis: int) -> Tensor:
    """Return the grey values of the planes beside each plane across an axis."""
    reach = max(NEIGHBOURS)
    margin = [0, 0, 0]
    margin[axis] = reach
    grey = scene.grey(box.expand((margin[0], margin[1], margin[2])))
    size = box.shape[axis]
    return torch.cat([grey.narrow(axis + 1, reach + step, size) for step in NEIGHBOURS])


def told(scene: Scene, box: Box) -> tuple[Tensor, Tensor]:
    """Return where the voxels of a box lie, and what all slices say of them (c, z, y, x).

    All slices guide the voxel-wise classifier.
    """
    return scene.coordinates(box), scene.guide(box)


def crossing(scene: Scene, box: Box, axis: int) -> Tensor:
    """Return what slices across the other axes say of the voxels of a box (c, z, y, x).

    They alone guide the U-Net: in a plane that is learned from, no parallel slice is ever near.
    """
    return scene.without([w for w in scene.slices if w.axis == axis]).guide(box)


def stacked(
    filters: Tensor, beside: Tensor, scene: Scene, box: Box, axis: int
) -> Tensor:
    """Put the channels (c, rows, columns) of one plane in order: those of the voxel first."""
    around = (part.squeeze(axis + 1) for part in told(scene, box))
    return torch.cat(
        [filters, *around, beside, crossing(scene, box, axis).squeeze(axis + 1)]
    )
