"""How much a forest favours rare classes, as left-out slices or volumes tell.

Where a class is rare, the most probable one is hardly ever that class, though the IoU
gains if it is found more often. By how much depends on the image, and on how it was
annotated: strokes show rare classes more often than they are. So slices are left out.
"""

from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.nn.trees import FAVOUR, Trees
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view.slices import (
    TREE_PIXELS,
    TrainingSlice,
    balanced_pixels,
    bare_pixels,
)
from sparseseg.recipes.three_view.surroundings import by_volume

# In other volumes a network is surer of what is frequent than it is right.
_OTHERS, _TIMES_OTHERS = 0.25, 2.0
FAVOURS = (0.0, 0.125, 0.25, 0.375, 0.5)
_ALIKE = 0.01  # mean IoU; of those as good as the best the smallest is taken
_FAILED = 0.1  # where all have less, they tell nothing
_MOST_LEFT_OUT = 5  # slices, or volumes
_TREES = 8
_TESTED = 20_000  # pixels of what is left out

Counts = NDArray[np.float64]


def best_favour(
    drawn: Sequence[TrainingSlice],
    trees: Trees,
    plan: Plan,
    rng: np.random.Generator,
) -> Generator[None, None, float]:
    """Return how much trees should favour rare outputs: a power of how frequent they are.

    Volumes are left out in turn, or slices of a single one. A single slice tells
    nothing. Yields after each that was left out.
    """
    groups = _groups(drawn)
    if len(groups) < 2:
        return FAVOUR
    counts = np.zeros((len(FAVOURS), 2, len(plan.outputs)))
    for place in rng.permutation(len(groups))[:_MOST_LEFT_OUT]:
        others = [one for n, group in enumerate(groups) if n != place for one in group]
        grown = trees.another(count=_TREES)
        grown.fit(*balanced_pixels(others, TREE_PIXELS, rng), rng)
        shown, truth = bare_pixels(groups[place], _TESTED, rng)
        natural = grown.natural(shown)
        counts += [_overlaps(grown.favoured(natural, f), truth) for f in FAVOURS]
        yield
    return _best(counts, plan)


def favour_beside(alone: float, scenes: Sequence[Scene]) -> float:
    """Return how much trees should favour rare outputs in a mean with a network.

    It is more than `alone`, that of trees alone, in a model of several volumes, which is meant
    for others; 1 at most.
    """
    if len(scenes) < 2:
        return alone
    return min(1.0, _OTHERS + _TIMES_OTHERS * alone)


def _groups(drawn: Sequence[TrainingSlice]) -> list[list[TrainingSlice]]:
    """Return the slices of each volume, or each slice of a single one."""
    volumes = by_volume(drawn)
    return volumes if len(volumes) > 1 else [[one] for one in drawn]


def _overlaps(probabilities: Tensor, truth: Tensor) -> Counts:
    """Return in how many pixels each output is told and true, and told or true (2, k)."""
    each = torch.arange(probabilities.shape[1], device=truth.device)
    told = probabilities.argmax(1)[:, None] == each
    true = truth[:, None] == each
    found: Counts = (
        torch.stack([(told & true).sum(0), (told | true).sum(0)]).cpu().numpy()
    )
    return found


def _best(counts: Counts, plan: Plan) -> float:
    """Return the one with the best mean IoU of all classes that there are."""
    classes = np.array(plan.classes) > 0
    both, either = counts[:, 0, classes], counts[:, 1, classes]
    there = either.any(0)
    if not there.any():
        return FAVOUR
    scores = np.mean(both[:, there] / np.maximum(either[:, there], 1), axis=1)
    if max(scores) < _FAILED:
        return FAVOUR
    return FAVOURS[int(np.argmax(scores >= max(scores) - _ALIKE))]
