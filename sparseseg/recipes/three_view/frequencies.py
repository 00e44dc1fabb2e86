"""How frequent outputs are in a volume that nobody annotated, which no label tells.

A forest that learned from one volume expects outputs to be as frequent in all others. Where
there are more nuclei than that, it misses many of those that it doubts. What it says of the
new volume tells how frequent they are there.
"""

import zlib
from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor

from sparseseg.boxes import Box, spread
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
        boxes = spread(scene.volume.shape, scene.plan.anisotropy)
        times = yield from measured(boxes, forest, trees.frequent)
        is_class = torch.tensor(scene.plan.classes, device=times.device) > 0
        times = torch.where(is_class, times.clamp(1, _MOST), 1.0)
        found = times**trees.shift / trees.frequent**_FAVOUR
        _KEPT.keep(scene.volume, key, found)
    return found


_KEPT: Kept[Tensor] = Kept()


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
