"""How frequent outputs are in a volume that nobody annotated, which no label tells.

A forest that learned from one volume expects outputs to be as frequent in all others. Where
there are more nuclei than that, it misses many of those that it doubts. What it says of the
new volume tells how frequent they are there.
"""

import zlib
from collections.abc import Callable, Generator, Sequence
from itertools import product
from math import prod

import torch
from torch import Tensor

from sparseseg.boxes import Box, Triple
from sparseseg.nn.trees import Trees
from sparseseg.recipes.kept import Kept
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view import features

SHIFT = 1.5
"""The power of how much more frequent an output is: the forest sees about half of it."""
# The power of how frequent outputs are, that the answer is over in another volume: what is
# rare is doubted more often there than in the volume that was learned from.
_FAVOUR = 1 / 6
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


def factors(
    scene: Scene, trees: Trees, forest: Callable[[Box], Tensor]
) -> Generator[float, None, Tensor]:
    """Return by what to multiply outputs (k) in a scene; yield how far it is.

    A class is as frequent at least, and twice at most, and the background as frequent: where
    noise hides a class from the forest, the class is not rarer. It is measured once
    for the same trees: previews ask again and again.
    """
    key = features.key_of(scene), zlib.crc32(trees.cut.cpu().numpy().tobytes())
    found = _KEPT.get(scene.volume, key)
    if found is None:
        boxes = looked_at(scene.volume.shape, scene.plan.anisotropy)
        times = yield from measured(boxes, forest, trees.frequent)
        is_class = torch.tensor(scene.plan.classes, device=times.device) > 0
        times = torch.where(is_class, times.clamp(1, _MOST), 1.0)
        found = times**trees.shift / trees.frequent**_FAVOUR
        _KEPT.keep(scene.volume, key, found)
    return found


_KEPT: Kept[Tensor] = Kept()


def looked_at(shape: Triple, anisotropy: Sequence[float]) -> list[Box]:
    """Return a few boxes that are spread over a volume, about cubes; they lie apart."""
    side = _SIDE * prod(anisotropy) ** (1 / 3)
    sides = [
        max(1, min(size // _BOXES, round(side / step)))
        for size, step in zip(shape, anisotropy, strict=True)
    ]
    starts = [
        sorted({(2 * n + 1) * size // (2 * _BOXES) - long // 2 for n in range(_BOXES)})
        for size, long in zip(shape, sides, strict=True)
    ]
    dz, dy, dx = sides
    return [Box((z, y, x), (z + dz, y + dy, x + dx)) for z, y, x in product(*starts)]


def measured(
    boxes: Sequence[Box], forest: Callable[[Box], Tensor], learned: Tensor
) -> Generator[float, None, Tensor]:
    """Return how many times as frequent outputs (k) are where a forest is asked about boxes.

    It answers with (k, z, y, x). Yields how far it is.
    """
    told = []
    for number, box in enumerate(boxes):
        yield number / len(boxes)
        with torch.inference_mode():
            told.append(forest(box).flatten(1).T)
    return more_frequent(torch.cat(told), learned)
