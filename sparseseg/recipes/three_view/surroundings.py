"""How much of its surroundings a voxel is judged by, as left-out volumes tell.

Of a few volumes it can be learned by heart where a class lies and what is far round it.
That helps where other volumes are built alike, as brains are, and does harm where a
class lies anywhere, as a tumour does. So each volume is left out in turn.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from sparseseg.nn.filters import OCTAVES, PER_OCTAVE, filter_count
from sparseseg.nn.trees import Trees, without
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.three_view.slices import TrainingSlice, bare_pixels

_FEWEST_OCTAVES = 2
_MOST_LEFT_OUT = 3  # volumes
_TREES = 12
_SAMPLES = 20_000  # that they grow from
_TESTED = 20_000  # pixels of a left-out volume
_ALIKE = 0.02  # mean IoU, within which answers are equally good


@dataclass(frozen=True, slots=True)
class _Volume:
    """Pixels (n, c) of a volume without guidance, and their target (n)."""

    pixels: Tensor
    target: Tensor

    def tested(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw pixels evenly."""
        places = torch.from_numpy(rng.permutation(len(self.target))[:_TESTED])
        places = places.to(self.target.device)
        return self.pixels[places], self.target[places]


def hidden_channels(
    drawn: Sequence[TrainingSlice], trees: Trees, plan: Plan, rng: np.random.Generator
) -> Generator[None, None, Tensor]:
    """Return which channels (c) of a voxel other volumes are better judged without.

    There are none where a single volume is annotated, which can tell nothing. Yields
    after each choice that was looked at.
    """
    volumes = _volumes(drawn, rng)
    if len(volumes) < 2:
        return torch.zeros(trees.channels, dtype=torch.bool)
    choices, scores = _choices(plan, trees.channels), []
    for hidden in choices:
        scores.append(_score(volumes, hidden, trees, plan, rng))
        yield
    good = np.flatnonzero(np.array(scores) >= max(scores) - _ALIKE)
    return choices[int(good[0])]


def _volumes(drawn: Sequence[TrainingSlice], rng: np.random.Generator) -> list[_Volume]:
    by_volume: dict[int, list[TrainingSlice]] = {}
    for one in drawn:
        by_volume.setdefault(id(one.scene), []).append(one)
    return [_Volume(*bare_pixels(every, rng)) for every in by_volume.values()]


def _choices(plan: Plan, count: int) -> list[Tensor]:
    """Return which channels may be hidden: first places, then far surroundings.

    Of answers that are equally good the first is taken: what lies far from a voxel says
    more often something in another volume than where the voxel is.
    """
    filters = filter_count()
    places = plan.channels * filters  # the channels of coordinates come after them
    choices = []
    octaves = range(OCTAVES, _FEWEST_OCTAVES - 1, -1)
    for is_placed, shown in product((False, True), octaves):
        hidden = torch.zeros(count, dtype=torch.bool)
        for start in range(0, places, filters):
            hidden[start + 1 + PER_OCTAVE * shown : start + filters] = True
        hidden[places:] = not is_placed
        choices.append(hidden)
    return choices


def _score(
    volumes: Sequence[_Volume],
    hidden: Tensor,
    trees: Trees,
    plan: Plan,
    rng: np.random.Generator,
) -> float:
    """Return the mean IoU of trees on volumes that are left out in turn."""
    found = []
    for place in range(min(len(volumes), _MOST_LEFT_OUT)):
        others = [one for n, one in enumerate(volumes) if n != place]
        pixels = torch.cat([one.pixels for one in others])
        target = torch.cat([one.target for one in others])
        grown = trees.another(count=_TREES, samples=_SAMPLES)
        grown.fit(without(pixels, hidden), target, rng)
        shown, truth = volumes[place].tested(rng)
        told = grown(shown).argmax(1)
        found += [
            _iou(told == output, truth == output)
            for output, number in enumerate(plan.classes)
            if number and bool((truth == output).any())
        ]
    return float(np.mean(found)) if found else 0.0


def _iou(told: Tensor, truth: Tensor) -> float:
    return float((told & truth).sum() / (told | truth).sum())
