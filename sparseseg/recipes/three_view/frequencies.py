"""How frequent outputs are in a volume that nobody annotated, which no label tells.

A forest that learned from one volume expects outputs to be as frequent in all others. Where
there are more nuclei than that, it misses many of those that it doubts. What it says of the
new volume tells how frequent they are there.
"""

import zlib
from collections.abc import Callable, Generator, Sequence
from itertools import product

import torch
from torch import Tensor

from sparseseg.boxes import Box, Triple
from sparseseg.nn.trees import Trees
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import features

SHIFT = 1.5
"""The power of how much more frequent an output is: the forest sees about half of it."""
FAVOUR = 1 / 6
"""The power of how frequent outputs are, that the answer is over in another volume.

What is rare is doubted more often there than in the volume that was learned from.
"""
_ROUNDS = 5
_MOST = 2.0  # times as frequent: the forest may be wrong
_BOXES = 3  # along each axis, that are looked at
_SIDE = 24.0  # of a box, in voxels if they are cubes


def more_frequent(natural: Tensor, learned: Tensor) -> Tensor:
    """Return how many times as frequent outputs (k) are as where a forest `learned` them.

    `natural` (n, k) is what it says of voxels. Their mean says how frequent outputs are,
    which changes what each voxel is, and so on (expectation and maximisation, Saerens et
    al., Neural Computation 2002, section 2.2).
    """
    times = torch.ones_like(learned)
    for _ in range(_ROUNDS):
        likely = natural * times
        likely /= likely.sum(1, keepdim=True)
        times = likely.mean(0) / learned
    return times


def kept(
    scene: Scene, trees: Trees, forest: Callable[[Box], Tensor]
) -> Generator[float, None, Tensor]:
    """Return how many times as frequent outputs (k) are in a scene; yield how far it is.

    A class is as frequent at least, and twice at most, and the background as frequent: where
    noise hides a class from the forest, the class is not rarer. It is measured once
    for the same trees: previews ask again and again.
    """
    key = features.key_of(scene), zlib.crc32(trees.cut.cpu().numpy().tobytes())
    found = _KEPT.get(scene.volume, key)
    if found is None:
        boxes = looked_at(scene.volume.shape, scene.plan.anisotropy)
        found = yield from measured(boxes, forest, trees.frequent)
        is_class = torch.tensor(scene.plan.classes, device=found.device) > 0
        found = torch.where(is_class, found.clamp(1, _MOST), 1.0)
        _KEPT.keep(scene.volume, key, found)
    return found


_KEPT: Kept[Tensor] = Kept()


def looked_at(shape: Triple, anisotropy: Sequence[float]) -> list[Box]:
    """Return a few boxes that are spread over a volume, about cubes, or all of a small one."""
    volume = torch.tensor(anisotropy, dtype=torch.float64).prod().item()
    sides = [
        max(1, min(size // _BOXES, round(_SIDE * volume ** (1 / 3) / step)))
        for size, step in zip(shape, anisotropy, strict=True)
    ]
    starts = [
        sorted({(2 * n + 1) * size // (2 * _BOXES) - side // 2 for n in range(_BOXES)})
        for size, side in zip(shape, sides, strict=True)
    ]
    dz, dy, dx = sides
    return [
        Box((z, y, x), (z + dz, y + dy, x + dx)).clip(shape)
        for z, y, x in product(*starts)
    ]


def measured(
    boxes: Sequence[Box], forest: Callable[[Box], Tensor], learned: Tensor
) -> Generator[float, None, Tensor]:
    """Return how many times as frequent outputs (k) are where a forest is asked about boxes.

    It answers with (k, z, y, x). Yields how far it is.
    """
    told = []
    for number, box in enumerate(boxes):
        yield number / len(boxes)
        told.append(forest(box).flatten(1).T)
    return more_frequent(torch.cat(told), learned)
