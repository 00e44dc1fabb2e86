"""How much of its surroundings a voxel is judged by, as left-out volumes tell.

Of a few volumes it can be learned by heart where a class lies and what is far round it.
That helps where other volumes are built alike, as brains are, and does harm where a
class lies anywhere, as a tumour does. So each volume is left out in turn.
"""

from collections.abc import Generator, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from sparseseg.nn.filters import OCTAVES, PER_OCTAVE, filter_count
from sparseseg.nn.trees import Trees
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.three_view.slices import (
    TrainingSlice,
    balanced_pixels,
    bare_pixels,
)

_FEWEST_OCTAVES = 2
_MOST_LEFT_OUT = 3  # volumes
_TREES = 12
_SAMPLES = 20_000  # that they grow from
_TESTED = 20_000  # pixels of a left-out volume
_ALIKE = 0.05  # mean IoU: two volumes hardly tell what is better by less


def hidden_channels(
    drawn: Sequence[TrainingSlice], trees: Trees, plan: Plan, rng: np.random.Generator
) -> Generator[None, None, Tensor]:
    """Return choices (m, c) of channels that other volumes are better judged without.

    All choices about as good as the best are returned: the mean of what trees say that
    see differently is at least as good, and chance counts less. Of a single volume, which
    can tell nothing, it is one that hides none. Yields after each left-out volume.
    """
    volumes = by_volume(drawn)
    if len(volumes) < 2:
        return torch.zeros(1, trees.channels, dtype=torch.bool)
    choices = _choices(plan, trees.channels)
    scores = []
    for place in range(min(len(volumes), _MOST_LEFT_OUT)):
        others = [one for n, group in enumerate(volumes) if n != place for one in group]
        sample = balanced_pixels(others, _SAMPLES, rng)
        tested = bare_pixels(volumes[place], _TESTED, rng)
        found = []
        for hidden in choices:
            grown = trees.another(count=_TREES)
            grown.deal(hidden[None])
            grown.fit(*sample, rng)
            found.append(_score(grown, *tested, plan))
            yield
        scores.append(found)
    mean = np.mean(scores, axis=0)
    return torch.stack(choices)[torch.from_numpy(mean >= mean.max() - _ALIKE)]


def by_volume(drawn: Sequence[TrainingSlice]) -> list[list[TrainingSlice]]:
    """Return the slices of each volume."""
    found: dict[int, list[TrainingSlice]] = {}
    for one in drawn:
        found.setdefault(id(one.scene), []).append(one)
    return list(found.values())


def _choices(plan: Plan, count: int) -> list[Tensor]:
    """Return which channels (c) may be hidden: places, far surroundings, or both."""
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


def _score(trees: Trees, pixels: Tensor, target: Tensor, plan: Plan) -> float:
    """Return the mean IoU of the classes that there are."""
    told = trees(pixels).argmax(1)
    found = [
        _iou(told == output, target == output)
        for output, number in enumerate(plan.classes)
        if number and bool((target == output).any())
    ]
    return float(np.mean(found)) if found else 0.0


def _iou(told: Tensor, truth: Tensor) -> float:
    return float((told & truth).sum() / (told | truth).sum())
