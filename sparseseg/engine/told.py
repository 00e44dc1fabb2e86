"""What methods say of slices that they have not seen, and how good that makes them."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.data.volume import Volume
from sparseseg.engine.deadline import WALL, Now, after
from sparseseg.engine.mixing import SHARES, Part, combined, favour, of_trees
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.propagation import interpolated, remembered, walked_through
from sparseseg.engine.score.blind import Answers, left_out
from sparseseg.engine.score.folds import in_turn, outermost
from sparseseg.engine.sparing import Slices
from sparseseg.evaluation import evaluate
from sparseseg.progress import Method
from sparseseg.recipes import Scene

Outputs = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SliceAnswers:
    """What methods say of the labelled pixels (n) of a slice that they have not seen."""

    volume: Volume
    where: AnnotatedSlice
    target: Outputs
    """The index of the true output of each pixel."""
    decided: Mapping[Method, Outputs]
    """The index of the output that a pixel is taken for."""
    surprise: Mapping[Method, Floats]
    """-log of the probability of the true output, summed over its pixels (k)."""
    is_outermost: bool
    """Whether no annotated slice across its axis lies beyond it."""

    @property
    def counts(self) -> Floats:
        """The pixels of each output (k)."""
        (size,) = next(iter(self.surprise.values())).shape
        return np.bincount(self.target, minlength=size).astype(float)


def told_when_held_out(
    model: Model, scenes: Sequence[Scene], out: Sequence[Slices]
) -> Generator[float, None, list[SliceAnswers]]:
    """Return what the network says, and all else, of slices that it never learned from.

    Pixels where other annotated slices cross are left out: those were seen. Yields how
    far it is.
    """
    found: list[SliceAnswers] = []
    for number, (scene, slices) in enumerate(zip(scenes, out, strict=True)):
        blind = scene.without(slices)
        for where in sorted(slices, key=str):
            yield number / len(scenes)
            answers = yield from _answers(model, blind, where)
            found.append(_kept(model, scene, blind, where, answers))
    return found


def told_in_turn(
    model: Model,
    scenes: Sequence[Scene],
    *,
    held: Sequence[SliceAnswers] = (),
    now: Now = WALL,
) -> Generator[float, None, list[SliceAnswers]]:
    """Return what methods say of slices that are left out fold after fold.

    Where the network would answer, its parts do that are blind to a slice. `scenes` are
    those that it learned from. Slices are left out one at a time if they are not many:
    what only spreads the annotation misses two that cross a third one most. Those that
    the network itself told of, as `held`, come first: there the two can be compared.
    """
    first = [(one.volume, one.where) for one in held]
    left = in_turn(scenes, single=_SINGLE, first=first)
    keep, is_late = partial(_kept, model), after(_SECONDS, now)
    return (
        yield from left_out(model, scenes, left, tuple(SHARES), keep, is_late=is_late)
    )


_SINGLE = 9  # slices of a volume
_SECONDS = 10.0  # after which no further slice is left out, if there are some


def measured(model: Model, told: Sequence[SliceAnswers]) -> dict[Method, Any]:
    """Compare what is told with what was painted, all slices together."""
    # Other slices, or all voxels, may show what these would be scored on.
    if not any(one.target.size for one in told):
        return {}
    truth = np.concatenate([one.target for one in told])
    return {
        method: evaluated(
            model, np.concatenate([one.decided[method] for one in told]), truth
        )
        for method in told[0].decided
    }


def with_classes(
    model: Model, one: SliceAnswers, by_class: Mapping[int, Method]
) -> SliceAnswers:
    """Add what is decided where each class is taken from its own method, if it is.

    Where two methods claim a pixel, the later class has it; what none claims is background.
    """
    if not by_class:
        return one
    decided = np.zeros_like(one.target)
    for output, value in enumerate(model.plan.classes):
        if value in by_class:
            decided[one.decided[by_class[value]] == output] = output
    return replace(one, decided={**one.decided, "classwise": decided})


def evaluated(
    model: Model, prediction: NDArray[np.integer], truth: NDArray[np.integer]
) -> dict[str, Any]:
    """Compare the outputs (n) of a prediction with the true ones, as classes.

    Where only background is compared the means are 0: that proves no answer good.
    """
    values = np.array(model.plan.classes, np.uint8)
    flat = (1, 1, -1)
    found = evaluate(values[prediction].reshape(flat), values[truth].reshape(flat))
    return {name: 0.0 if value is None else value for name, value in found.items()}


def own_pixels(scene: Scene, blind: Scene, where: AnnotatedSlice) -> NDArray[np.int64]:
    """Return what is painted on a slice (z, y, x), -1 where `blind`, without it, knows it too.

    What other slices show where they cross this one is theirs, left out or not.
    """
    box = Box.plane(scene.volume.shape, where.axis, where.index)
    target = scene.without({*scene.slices} - {where}).target(box)
    target[blind.target(box) >= 0] = -1
    own: NDArray[np.int64] = target.cpu().numpy()
    return own


def _answers(
    model: Model, blind: Scene, where: AnnotatedSlice
) -> Generator[float, None, Answers]:
    box = Box.plane(blind.volume.shape, where.axis, where.index)
    walked = yield from walked_through(remembered(blind))
    parts: dict[Part, Any] = {
        "network": network_probabilities(model, blind, box),
        "walker": walked(box),
        "interpolation": interpolated(blind, box),
    }
    if model.recipe.is_guided:
        bare = blind.without(blind.slices)
        parts["unguided"] = network_probabilities(model, bare, box)
        if model.recipe.has_classifiers:
            natural = model.recipe.trees(model.network, bare, box)
            parts |= of_trees(model.recipe, model.network, natural)
    return {
        method: combined(method, parts)
        for method, needed in SHARES.items()
        if parts.keys() >= {*needed} and (model.recipe.is_guided or len(needed) == 1)
    }


def _kept(
    model: Model, scene: Scene, blind: Scene, where: AnnotatedSlice, answers: Answers
) -> SliceAnswers:
    target = own_pixels(scene, blind, where)
    labelled = target >= 0
    truth = target[labelled].astype(np.uint8)
    decided: dict[Method, Outputs] = {}
    surprise: dict[Method, Floats] = {}
    for method, answer in answers.items():
        found = answer.cpu().numpy()
        index = model.recipe.decided(model.plan, found)
        decided[method] = index[labelled].astype(np.uint8)
        favoured = favour(model.recipe, model.network, method)
        natural = uncorrected(found[:, labelled], scene.counts, favoured)
        surprise[method] = _surprise(natural, truth)
    is_outermost = where in outermost(scene.slices)
    return SliceAnswers(scene.volume, where, truth, decided, surprise, is_outermost)


def uncorrected(
    probabilities: NDArray[np.float32], counts: Sequence[int], favoured: float
) -> NDArray[np.float32]:
    """Take back what trees add for rare outputs (k, n), of which there are `counts`.

    It makes them find more. It does not make them know more, as it would seem where each
    output counts the same.
    """
    if not favoured:
        return probabilities
    frequent = np.maximum(counts, 1).astype(np.float32) ** favoured
    found: NDArray[np.float32] = probabilities * frequent[:, None]
    found /= found.sum(0)
    return found


def _surprise(probabilities: NDArray[np.float32], truth: Outputs) -> Floats:
    outputs, pixels = probabilities.shape
    likely = np.maximum(probabilities[truth, np.arange(pixels)], _DOUBT)
    found: Floats = np.bincount(truth, -np.log(likely), outputs).astype(np.float64)
    return found


_DOUBT = 1e-3  # an answer that is sure may be wrong
