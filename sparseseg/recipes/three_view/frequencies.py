"""How frequent outputs are, where no label tells: between strokes, and in other volumes.

A forest that learned from one volume expects outputs to be as frequent in all others. Where
there are more nuclei than that, it misses many of those that it doubts. What it says of the
new volume tells how frequent they are there. Strokes show a class as often as somebody
painted it, so that a forest finds too much of what is rare in the same volume.
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
# Of how much rarer or more frequent outputs are than strokes show them, that is believed;
# and how much rarer at most: a forest may not know a class at all.
_BELIEVED, _RAREST = 0.5, 0.25
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


Ask = Callable[[Scene, Box], Tensor]
"""Returns what a forest says (k, z, y, x) of a box of a scene."""


def expect_frequencies(
    scenes: Sequence[Scene], trees: Trees, ask: Ask
) -> Generator[float, None, None]:
    """Let trees that grew from strokes expect outputs as frequent as in their volumes.

    Whole slices show that themselves: where most pixels are theirs, nothing changes. Yields
    how far it is.
    """
    if not _is_of_strokes(scenes):
        return
    times = yield from measured(scenes, ask, trees.frequent)
    times = torch.where(times > 0, times, 1.0)
    trees.expect(times.clamp(_RAREST, _MOST) ** _BELIEVED)


def _is_of_strokes(scenes: Sequence[Scene]) -> bool:
    """Tell whether most labelled voxels are on slices that are not complete."""
    more = [
        -where.voxels if where.complete else where.voxels
        for scene in scenes
        for where in scene.slices
    ]
    return sum(more) > 0


def factors(scene: Scene, trees: Trees, ask: Ask) -> Generator[float, None, Tensor]:
    """Return by what to multiply outputs (k) in a scene; yield how far it is.

    A class is as frequent at least, and twice at most, and the background as frequent: where
    noise hides a class from the forest, the class is not rarer. It is measured once
    for the same trees: previews ask again and again.
    """
    key = features.key_of(scene), zlib.crc32(trees.cut.cpu().numpy().tobytes())
    found = _KEPT.get(scene.volume, key)
    if found is None:
        times = yield from measured([scene], ask, trees.frequent)
        is_class = torch.tensor(scene.plan.classes, device=times.device) > 0
        times = torch.where(is_class, times.clamp(1, _MOST), 1.0)
        found = times**trees.shift / trees.frequent**_FAVOUR
        _KEPT.keep(scene.volume, key, found)
    return found


_KEPT: Kept[Tensor] = Kept()


def measured(
    scenes: Sequence[Scene], ask: Ask, learned: Tensor
) -> Generator[float, None, Tensor]:
    """Return how many times as frequent outputs (k) are in scenes as where a forest learned.

    It is asked about a few boxes that are spread over them. Yields how far it is.
    """
    places = [
        (scene, box)
        for scene in scenes
        for box in spread(scene.volume.shape, scene.plan.anisotropy)
    ]
    told = []
    for number, (scene, box) in enumerate(places):
        yield number / len(places)
        with torch.inference_mode():
            told.append(ask(scene, box).flatten(1).T)
    return more_frequent(torch.cat(told), learned)
