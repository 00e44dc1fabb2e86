"""What a method says of annotated slices that it has not seen."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.engine.mixing import UNGUIDED
from sparseseg.engine.model import Model
from sparseseg.engine.propagation import (
    Walk,
    interpolated,
    mixed,
    remembered,
    walked_through,
)
from sparseseg.engine.score.folds import folds, judged
from sparseseg.evaluation.estimate import FEWEST_OF_CLASS, FEWEST_SLICES
from sparseseg.evaluation.matching import Nearest
from sparseseg.progress import Method
from sparseseg.recipes import Scene

_NEED_WALK = ("mixed", "walker")


@dataclass(frozen=True, slots=True, eq=False)
class BlindSlice:
    """One slice that was left out, with what is said of its labelled pixels."""

    probabilities: NDArray[np.float32]
    """(k, n)"""
    target: NDArray[np.intp]
    """(n), the index of the output."""
    distances: NDArray[np.float64]
    """(n), to the nearest slice that was not left out, in voxel sides."""


def blind_slices(
    model: Model,
    scenes: Sequence[Scene],
    method: Method,
    *,
    seconds: float | None = None,
) -> Generator[float, None, list[BlindSlice]]:
    """Leave out fold after fold, yield how far that is, and return all slices.

    Of the network, those parts answer that are blind to a slice. `scenes` are those that
    the model has learned from. After so many `seconds` no further fold is left out, once
    there are enough slices for an estimate. Returns nothing for a recipe without such parts.
    """
    found: list[BlindSlice] = []
    if not model.recipe.has_classifiers:
        return found
    end = float("inf") if seconds is None else time.perf_counter() + seconds
    left = [(scene, fold) for scene in scenes for fold in folds(scene.slices)]
    # Whoever stops early has looked at slices of all axes and volumes.
    left = [left[place] for place in _spread(len(left))]
    for number, (scene, fold) in enumerate(left):
        yield number / len(left)
        if time.perf_counter() > end and _is_enough(found, scenes):
            break
        if len(fold) < len(scene.slices):
            found += yield from _of_fold(model, scenes, (scene, fold), method)
    return found


def _spread(count: int) -> list[int]:
    """Return the places 0 to `count` - 1 so that the first few lie far apart."""
    golden = (5**0.5 - 1) / 2
    return sorted(range(count), key=lambda place: place * golden % 1)


def _of_fold(
    model: Model,
    scenes: Sequence[Scene],
    left_out: tuple[Scene, frozenset[AnnotatedSlice]],
    method: Method,
) -> Generator[float, None, list[BlindSlice]]:
    scene, fold = left_out
    blind, chosen = scene.without(fold), judged(fold)
    walked = None
    if method in _NEED_WALK:
        walked = yield from walked_through(remembered(blind))
    every = [(other, where) for other in scenes for where in other.slices]
    places = [every.index((scene, where)) for where in chosen]
    trees: Sequence[Tensor] = ()
    if method == "forest":
        trees = model.recipe.unseen_forest(model.network, scenes, places)
    found = []
    for number, (where, place) in enumerate(zip(chosen, places, strict=True)):
        learned = _learned(model, scenes, place, blind, method)
        if learned is not None and trees:
            learned = mixed(trees[number], learned.float())
        answer = _answer(method, blind, where, learned, walked)
        if answer is not None:
            found.append(_of_pixels(scene, blind, where, answer))
    return found


def _is_enough(found: Sequence[BlindSlice], scenes: Sequence[Scene]) -> bool:
    """Tell whether each output that is annotated was judged on a slice or two."""
    if len(found) < FEWEST_SLICES:
        return False
    outputs = len(scenes[0].plan.outputs)
    shown = np.sum([np.bincount(s.target, minlength=outputs) > 0 for s in found], 0)
    there = np.sum([np.array(scene.counts) for scene in scenes], 0) > 0
    return bool((shown[there] >= FEWEST_OF_CLASS).all())


def _learned(
    model: Model, scenes: Sequence[Scene], place: int, blind: Scene, method: Method
) -> Tensor | None:
    """Return (k, rows, columns) of the parts of a network that are blind to a slice."""
    if method in ("walker", "interpolation"):
        return None
    guiding = () if method in UNGUIDED else blind.slices
    return model.recipe.unseen(model.network, scenes, place, guiding=guiding)


def _answer(
    method: Method,
    blind: Scene,
    where: AnnotatedSlice,
    learned: Tensor | None,
    walked: Walk | None,
) -> Tensor | None:
    """Return the probabilities (k, z, y, x) of a slice by a method."""
    box = Box.plane(blind.volume.shape, where.axis, where.index)
    if method == "interpolation":
        return interpolated(blind, box)
    if method == "walker":
        return None if walked is None else walked(box)
    if learned is None:
        return None
    found = learned.float().unsqueeze(where.axis + 1)
    return found if walked is None else mixed(found, walked(box))


def _of_pixels(
    scene: Scene, blind: Scene, where: AnnotatedSlice, answer: Tensor
) -> BlindSlice:
    shape = scene.volume.shape
    box = Box.plane(shape, where.axis, where.index)
    planes = [(w.axis, w.index) for w in blind.slices]
    distances = Nearest.of(shape, scene.plan.anisotropy, planes)(box)
    target = scene.without(set(scene.slices) - {where}).target(box).cpu().numpy()
    labelled = target >= 0
    return BlindSlice(
        answer.float().cpu().numpy()[:, labelled],
        target[labelled].astype(np.intp),
        distances[labelled],
    )
