"""What a method says of annotated slices that it has not seen."""

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
    walk,
    walked_through,
)
from sparseseg.engine.score.folds import folds, judged
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
    model: Model, scenes: Sequence[Scene], method: Method
) -> Generator[float, None, list[BlindSlice]]:
    """Leave out fold after fold, yield how far that is, and return all slices.

    Of the network, those parts answer that are blind to a slice. `scenes` are those that
    the model has learned from. Returns nothing for a recipe without such parts.
    """
    found: list[BlindSlice] = []
    if not model.recipe.has_classifiers:
        return found
    first = 0
    for number, scene in enumerate(scenes):
        dealt = folds(scene.slices)
        for place, fold in enumerate(dealt):
            blind = scene.without(fold)
            if not blind.planes:
                continue
            walked = (
                (yield from walked_through(walk(blind)))
                if method in _NEED_WALK
                else None
            )
            for where in judged(fold):
                yield (number + place / len(dealt)) / len(scenes)
                at = first + scene.slices.index(where)
                learned = _learned(model, scenes, at, blind, method)
                answer = _answer(method, blind, where, learned, walked)
                if answer is not None:
                    found.append(_of_pixels(scene, blind, where, answer))
        first += len(scene.slices)
    return found


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
