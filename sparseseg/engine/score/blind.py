"""What methods say of annotated slices that they have not seen."""

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.engine.deadline import IsLate, never
from sparseseg.engine.mixing import (
    Part,
    made_of,
    needs,
    of_trees,
    parts_of,
    told_by,
)
from sparseseg.engine.model import Model
from sparseseg.engine.propagation import (
    Walk,
    interpolated,
    remembered,
    walked_through,
)
from sparseseg.engine.score.folds import Fold, in_turn, judged
from sparseseg.evaluation.estimate import FEWEST_OF_CLASS, FEWEST_SLICES
from sparseseg.evaluation.matching import Nearest
from sparseseg.progress import Method
from sparseseg.recipes import Scene

Answers = dict[Method, Tensor]
"""The probabilities (k, z, y, x) of one slice, by method."""


class Targeted(Protocol):
    """What is kept of a slice that was left out."""

    @property
    def target(self) -> NDArray[np.integer]:
        """The index of the output of each labelled pixel (n)."""
        ...


_Kept = TypeVar("_Kept", bound=Targeted)
Keep = Callable[[Scene, Scene, AnnotatedSlice, Answers], _Kept]
"""Keeps what is needed of a slice: of its scene, the scene without it, and the answers."""


@dataclass(frozen=True, slots=True, eq=False)
class BlindSlice:
    """One slice that was left out, with what is said of its labelled pixels."""

    name: str
    probabilities: NDArray[np.float32]
    """(k, n)"""
    target: NDArray[np.intp]
    """(n), the index of the output."""
    distances: NDArray[np.float64]
    """(n), to the nearest slice that was not left out, in voxel sides."""
    share: float = 1.0
    """Of its pixels, those that are labelled."""


def blind_slices(
    model: Model,
    scenes: Sequence[Scene],
    method: Method,
    *,
    is_late: IsLate = never,
) -> Generator[float, None, list[BlindSlice]]:
    """Return what a method says of all slices, left out fold after fold.

    What spreads the annotation, or is led by it, misses two slices that cross a third one
    most, so these are left out one at a time if they are not many.
    """
    keep = partial(_of_pixels, method)
    is_grown = needs(method, model, "trees", "beside")
    left = in_turn(scenes, single=_OF_TREES) if is_grown else in_turn(scenes)
    found = yield from left_out(model, scenes, left, [method], keep, is_late=is_late)
    return found


_OF_TREES = 6  # slices that are left out one at a time: trees grow for each fold


def left_out(
    model: Model,
    scenes: Sequence[Scene],
    left: Sequence[Fold],
    methods: Collection[Method],
    keep: Keep[_Kept],
    *,
    is_late: IsLate = never,
) -> Generator[float, None, list[_Kept]]:
    """Leave out fold after fold, yield how far that is, and return what to keep of each slice.

    Of the network, those parts answer that are blind to a slice. `scenes` are those that
    the model has learned from, and `left` their folds. If it `is_late`, no further fold is
    left out once there are enough slices for an estimate. Returns nothing for a recipe
    without such parts.
    """
    found: list[_Kept] = []
    if not model.recipe.has_classifiers:
        return found
    for number, (scene, fold) in enumerate(left):
        yield number / len(left)
        if is_late() and _is_enough(found, scenes):
            break
        if len(fold) == len(scene.slices):
            continue
        asked = _Fold(model, scenes, scene, fold)
        for where, answers in (yield from asked.answers(methods)):
            found.append(keep(scene, asked.blind, where, answers))
    return found


def _is_enough(found: Sequence[Targeted], scenes: Sequence[Scene]) -> bool:
    """Tell whether each output that is annotated was judged on a slice or two."""
    if len(found) < FEWEST_SLICES:
        return False
    outputs = len(scenes[0].plan.outputs)
    shown = np.sum([np.bincount(s.target, minlength=outputs) > 0 for s in found], 0)
    there = np.sum([np.array(scene.counts) for scene in scenes], 0) > 0
    return bool((shown[there] >= FEWEST_OF_CLASS).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Slices of a scene that are left out together, and what answers without them."""

    model: Model
    scenes: Sequence[Scene]
    scene: Scene
    left_out: frozenset[AnnotatedSlice]

    @property
    def blind(self) -> Scene:
        return self.scene.without(self.left_out)

    def answers(
        self, methods: Collection[Method]
    ) -> Generator[float, None, list[tuple[AnnotatedSlice, Answers]]]:
        """Return what methods say of each slice that is judged."""
        made = {each for method in methods for each in made_of(method, self.model)}
        needed, chosen = parts_of(made), judged(self.left_out)
        walked = None
        if "walker" in needed:
            walked = yield from walked_through(remembered(self.blind))
        every = [(other, where) for other in self.scenes for where in other.slices]
        places = [every.index((self.scene, where)) for where in chosen]
        learned = self._learned(needed, places)
        found = []
        for where, told in zip(chosen, learned, strict=True):
            parts = {
                part: answer.float().unsqueeze(where.axis + 1)
                for part, answer in told.items()
            }
            parts |= self._propagated(needed, where, walked)
            answers = {m: told_by(m, self.model, parts) for m in methods}
            found.append((where, answers))
        return found

    def _learned(
        self, needed: Collection[Part], places: Sequence[int]
    ) -> list[dict[Part, Tensor]]:
        """Return (k, rows, columns) of each slice, of parts that have not seen it."""
        recipe, network = self.model.recipe, self.model.network
        found: list[dict[Part, Tensor]] = [{} for _ in places]
        guides: tuple[tuple[Part, Sequence[AnnotatedSlice]], ...] = (
            ("network", self.blind.slices),
            ("unguided", ()),
        )
        for part, guiding in guides:
            for told, place in zip(found, places, strict=True):
                if part in needed:
                    answer = recipe.unseen(network, self.scenes, place, guiding=guiding)
                    assert answer is not None
                    told[part] = answer
        if "trees" in needed or "beside" in needed:
            trees = recipe.unseen_trees(network, self.scenes, places)
            for told, natural in zip(found, trees, strict=True):
                told |= of_trees(recipe, network, natural)
        return found

    def _propagated(
        self, needed: Collection[Part], where: AnnotatedSlice, walked: Walk | None
    ) -> dict[Part, Tensor]:
        """Return the probabilities (k, z, y, x) of what only spreads the annotation."""
        box = Box.plane(self.scene.volume.shape, where.axis, where.index)
        found: dict[Part, Tensor] = {}
        if walked is not None:
            found["walker"] = walked(box)
        if "interpolation" in needed:
            found["interpolation"] = interpolated(self.blind, box)
        return found


def _of_pixels(
    method: Method,
    scene: Scene,
    blind: Scene,
    where: AnnotatedSlice,
    answers: Answers,
) -> BlindSlice:
    shape = scene.volume.shape
    box = Box.plane(shape, where.axis, where.index)
    planes = [(w.axis, w.index) for w in blind.slices]
    distances = Nearest.of(shape, scene.plan.anisotropy, planes)(box)
    target = scene.without(set(scene.slices) - {where}).target(box).cpu().numpy()
    labelled = target >= 0
    return BlindSlice(
        str(where),
        answers[method].cpu().numpy()[:, labelled],
        target[labelled].astype(np.intp),
        distances[labelled],
        float(labelled.mean()),
    )
