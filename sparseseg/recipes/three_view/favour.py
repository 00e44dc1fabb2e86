"""How much a forest favours rare classes, as what is left out tells.

Where a class is rare, the most probable one is hardly ever that class, though the IoU
gains if it is found more often. By how much depends on the image, and on how it was
annotated: strokes show rare classes more often than they are. So slices are left out, or
quarters of a single one. This tells as well how far grey values tell the classes apart.
"""

from collections.abc import Generator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.nn.trees import FAVOUR, Trees
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.scene import Scene
from sparseseg.recipes.three_view.frequencies import SHIFT
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
_MOST_LEFT_OUT = 5  # slices, volumes or quarters
_TREES = 8
_TESTED = 20_000  # pixels of what is left out

Counts = NDArray[np.float64]


class Favour(NamedTuple):
    """A power of how frequent outputs are, and how good trees are with it."""

    power: float
    iou: float
    """The mean IoU of the classes on what was left out; 1 where nothing can be."""


def favour_rare(
    drawn: Sequence[TrainingSlice],
    trees: Trees,
    scenes: Sequence[Scene],
    rng: np.random.Generator,
) -> Generator[None, None, None]:
    """Let trees favour rare outputs as what is left out tells, and know how good they are.

    Trees of one volume are told to ask how frequent outputs are in another one.
    """
    found = yield from best_favour(drawn, trees, scenes[0].plan, rng)
    trees.rare.fill_(found.power)
    trees.beside.fill_(favour_beside(found.power, scenes))
    trees.iou.fill_(found.iou)
    trees.shift.fill_(SHIFT if len(scenes) == 1 else 0.0)


def best_favour(
    drawn: Sequence[TrainingSlice],
    trees: Trees,
    plan: Plan,
    rng: np.random.Generator,
) -> Generator[None, None, Favour]:
    """Return how much trees should favour rare outputs.

    Volumes are left out in turn, or slices of a single one, or quarters of a single slice.
    Yields after each that was left out.
    """
    groups = _groups(drawn, plan)
    if len(groups) < 2:
        return Favour(FAVOUR, 1.0)
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


def _groups(drawn: Sequence[TrainingSlice], plan: Plan) -> list[list[TrainingSlice]]:
    """Return the slices of each volume, or each of a single one, or quarters of it."""
    volumes = by_volume(drawn)
    if len(volumes) > 1:
        return volumes
    return [[one] for one in (drawn if len(drawn) > 1 else _quarters(drawn[0], plan))]


def _quarters(one: TrainingSlice, plan: Plan) -> list[TrainingSlice]:
    """Cut a slice through the middle of its classes; return the parts with labels."""
    classes = torch.tensor([n for n, number in enumerate(plan.classes) if number])
    shown = torch.nonzero(torch.isin(one.target, classes.to(one.target.device)))
    if not len(shown):
        return [one]
    row, column = shown.median(0).values.tolist()
    windows = product(
        (slice(0, row), slice(row, None)), (slice(0, column), slice(column, None))
    )
    parts = [one.part(window) for window in windows]
    return [part for part in parts if part.labelled]


def _overlaps(probabilities: Tensor, truth: Tensor) -> Counts:
    """Return in how many pixels each output is told and true, and told or true (2, k)."""
    each = torch.arange(probabilities.shape[1], device=truth.device)
    told = probabilities.argmax(1)[:, None] == each
    true = truth[:, None] == each
    found: Counts = (
        torch.stack([(told & true).sum(0), (told | true).sum(0)]).cpu().numpy()
    )
    return found


def _best(counts: Counts, plan: Plan) -> Favour:
    """Return the one with the best mean IoU of all classes that there are."""
    classes = np.array(plan.classes) > 0
    both, either = counts[:, 0, classes], counts[:, 1, classes]
    there = either.any(0)
    if not there.any():
        return Favour(FAVOUR, 1.0)
    scores = np.mean(both[:, there] / np.maximum(either[:, there], 1), axis=1)
    best = float(max(scores))
    if best < _FAILED:
        return Favour(FAVOUR, best)
    return Favour(FAVOURS[int(np.argmax(scores >= best - _ALIKE))], best)
