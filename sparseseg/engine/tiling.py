"""How a volume is cut into the tiles of a prediction."""

from dataclasses import replace
from functools import partial
from math import prod

from sparseseg.boxes import Box, Tile, Triple, tiles
from sparseseg.engine.predictor import Predictor
from sparseseg.errors import UserError
from sparseseg.recipes import Scene

_GROWN = 1.4
"""Along each side: 2.7 times as many voxels. `three-view` takes an eighth less time."""
_MANY = 16
_SMALLEST = 16  # voxels a side
_GB = 2**30


def plan_tiles(
    model: Predictor, scene: Scene, *, box: Box | None = None
) -> tuple[Tile, ...]:
    """Cut a volume, or a box of it, into the tiles of a prediction by the network.

    Each tile says what of the volume its answer depends on. Raises `UserError` where
    the memory of the model does not suffice for a small tile.
    """
    volume = scene.volume
    size = model.recipe.tile(model.plan, volume.shape)
    if model.memory is not None:
        spacing = volume.spacing_in(model.plan.unit)
        size = tile_within(model, _grown(size, volume.shape), model.memory, spacing)
    reads = partial(model.recipe.reads, model.network, scene)
    return tuple(tiles(volume.shape, tile=size, box=box, reads=reads))


def tile_within(
    model: Predictor, size: Triple, memory: int, spacing: tuple[float, float, float]
) -> Triple:
    """Return a tile, at most `size`, that takes at most so many bytes to predict.

    Its longest side is cut by a quarter until it does.

    Raises `UserError` where even a small one takes more.
    """
    z, y, x = size
    while (needed := model.recipe.tile_bytes(model.plan, (z, y, x), spacing)) > memory:
        sides = [z, y, x]
        longest = sides.index(max(sides))
        if sides[longest] <= _SMALLEST:
            raise UserError(
                "even a small tile of this model takes about {needed:.1f} GB, and "
                "{memory:.1f} GB of the memory are left for it: give "
                "{more:.1f} GB more",
                needed=needed / _GB,
                memory=memory / _GB,
                more=(needed - memory) / _GB + 0.1,
            )
        sides[longest] = max(_SMALLEST, -(-3 * sides[longest] // 4))
        z, y, x = sides
    return z, y, x


def _grown(size: Triple, shape: Triple) -> Triple:
    """Return a larger tile for a large volume, where it is said how much memory there is.

    The larger a tile, the smaller the share of what it reads beyond its borders. There
    stay enough tiles for several workers.
    """
    z, y, x = (
        min(side, round(_GROWN * n)) for n, side in zip(size, shape, strict=True)
    )
    count = prod(-(-side // n) for n, side in zip((z, y, x), shape, strict=True))
    return (z, y, x) if count >= _MANY else size


def halves(tile: Tile) -> list[Tile]:
    """Return both halves of a tile across its longest axis; none if it is small."""
    box = tile.write
    axis = max(range(3), key=lambda a: box.shape[a])
    if box.shape[axis] <= _SMALLEST:
        return []
    middle = box.start[axis] + box.shape[axis] // 2
    before, after = list(box.stop), list(box.start)
    before[axis] = after[axis] = middle
    parts = (
        Box(box.start, (before[0], before[1], before[2])),
        Box((after[0], after[1], after[2]), box.stop),
    )
    return [replace(tile, write=part) for part in parts]
