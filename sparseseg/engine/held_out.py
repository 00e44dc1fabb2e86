"""An honest score while training: annotated slices that the network never sees."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.engine.advice import NOT_WANTED, advice, reason
from sparseseg.engine.mixing import mix_of
from sparseseg.engine.model import Model
from sparseseg.engine.prediction import network_probabilities
from sparseseg.engine.propagation import Walk, interpolated, mixed, remembered
from sparseseg.engine.sparing import Slices, left_out_in_turn, spared
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.confidence import fitted_temperature
from sparseseg.progress import Method, Score
from sparseseg.recipes import Scene

_FIRST_SECONDS = 8.0
_LEAST_SECONDS = 8.0
# Scoring may take this share of the time of training.
_SHARE = 0.08
# A network has a better mean IoU, at least by this, than its parts that stand in for it.
_STAND_IN = 0.1

Pairs = Sequence[tuple[Scene, Slices]]
"""Scenes, and the slices of each that are judged and that nothing may see."""


class HeldOut:
    """One slice of each volume, chosen where it is missed least, and its score.

    Where none can be spared, slices are left out one at a time: what needs no network
    answers without each of them, and for the network its parts that are blind to it.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._released = False
        self._is_judged = self._is_ahead = False
        self._next = _FIRST_SECONDS
        self._next_turns = 0.0
        self._walks: list[Walk] = []
        self.slices: tuple[Slices, ...] = ()

    @property
    def is_ahead(self) -> bool:
        """Whether the network was better than all else when it was last scored."""
        return self._is_ahead

    def choose(self, scenes: Sequence[Scene]) -> None:
        """Choose one slice of each scene; one that was held out before stays so."""
        kept = self.slices or (Slices(),) * len(scenes)
        wanted = self._wanted and not self._released
        self.slices = tuple(
            spared(scenes, place, old) if wanted else Slices()
            for place, old in enumerate(kept)
        )
        self._walks = []
        self._is_judged = self._released

    def by_depth(self, model: Model, scenes: Sequence[Scene]) -> dict[str, float]:
        """Score each depth that a model can be pruned to: its mean Dice."""
        if not any(self.slices):
            return {}
        pairs = list(zip(scenes, self.slices, strict=True))
        depths = model.recipe.depths(model.plan)
        found = {depth: _mean_dice(model.at_depth(depth), pairs) for depth in depths}
        return {str(depth): dice for depth, dice in found.items() if dice is not None}

    def temperature(self, model: Model, scenes: Sequence[Scene]) -> float | None:
        """Fit how sure the model may be to what it says of the held-out slices."""
        if not any(self.slices):
            return None
        told, truths = [], []
        for scene, slices in zip(scenes, self.slices, strict=True):
            blind = scene.without(slices)
            for where in slices:
                box = Box.plane(scene.volume.shape, where.axis, where.index)
                target = _own_pixels(scene, blind, box)
                found = network_probabilities(model, blind, box).cpu().numpy()
                told.append(found[:, target >= 0])
                truths.append(target[target >= 0])
        truth = np.concatenate(truths)
        return (
            fitted_temperature(np.concatenate(told, 1), truth) if truth.size else None
        )

    def release(self) -> bool:
        """Let the held-out slices be learned from; return whether there were any."""
        had = any(self.slices)
        self._released = self._is_judged = True
        self.slices = (Slices(),) * len(self.slices)
        return had

    def score(
        self,
        model: Model,
        scenes: Sequence[Scene],
        step: int,
        seconds: float,
        *,
        at_once: bool = False,
    ) -> Generator[float, None, Score | None]:
        """Score all methods when it is time, or `at_once`, else return None.

        Pixels where other annotated slices cross are left out: those were seen. Yields
        now and then how far it is.
        """
        if not any(self.slices):
            return (yield from self._judged(model, scenes, step, seconds))
        if seconds < self._next and not at_once:
            return None
        pairs = list(zip(scenes, self.slices, strict=True))
        yield from self._walk(pairs)
        begin = time.perf_counter()
        measures = yield from _measured(model, pairs, self._walks, _predicted)
        cost = time.perf_counter() - begin
        self._next = seconds + max(_LEAST_SECONDS, cost / _SHARE)
        found = _score(
            model, step, seconds, measures, _names(pairs) if measures else ()
        )
        if not measures:
            found = replace(found, reason=reason(scenes, model.table))
        self._is_ahead = found.best not in ("walker", "interpolation")
        return replace(found, advice=advice(scenes, model.table, found))

    def _judged(
        self, model: Model, scenes: Sequence[Scene], step: int, seconds: float
    ) -> Generator[float, None, Score | None]:
        """Judge all methods by slices that are left out one at a time, once a choice."""
        if self._is_judged or seconds < self._next_turns:
            return None
        self._is_judged = True
        begin = time.perf_counter()
        turns = left_out_in_turn(scenes) if self._wanted else []
        measures: dict[Method, Any] = {}
        if model.recipe.has_classifiers and turns:
            pairs = [(scenes[number], frozenset([where])) for number, where in turns]
            yield from self._walk(pairs)
            blind = partial(_blind, scenes)
            measures = yield from _measured(model, pairs, self._walks, blind)
            # Whoever goes on painting wants steps more than judgements.
            self._next_turns = seconds + (time.perf_counter() - begin) / _SHARE
        if measures:
            found = _score(model, step, seconds, measures, _names(pairs))
            found = replace(found, allowance=_STAND_IN)
        else:
            why = reason(scenes, model.table) if self._wanted else NOT_WANTED
            found = replace(_score(model, step, seconds, {}, ()), reason=why)
        return replace(found, advice=advice(scenes, model.table, found))

    def _walk(self, pairs: Pairs) -> Generator[float, None, None]:
        """Walk without the slices that are judged, once a choice."""
        while len(self._walks) < len(pairs):
            scene, out = pairs[len(self._walks)]
            walking = remembered(scene.without(out))
            while True:
                try:
                    next(walking)
                except StopIteration as end:
                    self._walks.append(end.value)
                    break
                yield len(self._walks) / len(pairs)


Answers = dict[Method, Tensor]
"""The probabilities (k, z, y, x) of one slice, by method."""


def _predicted(model: Model, scene: Scene, out: Slices, box: Box) -> Answers:
    """Return what the network says of a slice that it has not learned from."""
    blind = scene.without(out)
    answers: Answers = {"network": network_probabilities(model, blind, box)}
    if model.recipe.is_guided:
        bare = scene.without(scene.slices)
        answers["unguided"] = network_probabilities(model, bare, box)
        mix = mix_of("forest", model, bare, None)
        if mix and model.recipe.has_classifiers:
            answers["forest"] = mix(answers["unguided"], box)
    return answers


def _blind(
    scenes: Sequence[Scene], model: Model, scene: Scene, out: Slices, _box: Box
) -> Answers:
    """Return what the parts of the network say that are blind to a slice."""
    (where,) = out
    every = [(other, there) for other in scenes for there in other.slices]
    place = every.index((scene, where))
    answers: Answers = {}
    kinds: tuple[tuple[Method, Slices], ...] = (
        ("network", frozenset(scene.slices)),
        ("unguided", frozenset()),
    )
    for method, guiding in kinds:
        found = model.recipe.unseen(model.network, scenes, place, guiding=guiding)
        assert found is not None
        answers[method] = found.float().unsqueeze(where.axis + 1)
    (trees,) = model.recipe.unseen_forest(model.network, scenes, [place])
    answers["forest"] = mixed(trees.unsqueeze(where.axis + 1), answers["unguided"])
    return answers


def _measured(
    model: Model,
    pairs: Pairs,
    walks: Sequence[Walk],
    learned: Callable[[Model, Scene, Slices, Box], Answers],
) -> Generator[float, None, dict[Method, Any]]:
    """Score each method on all pixels of the slices that are judged."""
    told: dict[Method, list[NDArray[np.intp]]] = {}
    truths: list[NDArray[np.int64]] = []
    for (scene, out), walked in zip(pairs, walks, strict=True):
        blind = scene.without(out)
        for where in out:
            yield len(truths) / len(pairs)
            box = Box.plane(scene.volume.shape, where.axis, where.index)
            answers = learned(model, scene, out, box)
            answers |= {
                "walker": walked(box),
                "interpolation": interpolated(blind, box),
            }
            if model.recipe.is_guided:
                answers["mixed"] = mixed(answers["network"], answers["walker"])
            target = _own_pixels(scene, blind, box)
            truths.append(target[target >= 0])
            for method, found in answers.items():
                index = model.recipe.decided(model.plan, found.cpu().numpy())
                told.setdefault(method, []).append(index[target >= 0])
    truth = np.concatenate(truths)
    if (
        not truth.size
    ):  # other slices, or all voxels, show what these would be scored on
        return {}
    return {
        method: evaluated(model, np.concatenate(parts), truth)
        for method, parts in told.items()
    }


def _mean_dice(model: Model, pairs: Pairs) -> float | None:
    told, truths = [], []
    for scene, out in pairs:
        blind = scene.without(out)
        for where in out:
            box = Box.plane(scene.volume.shape, where.axis, where.index)
            found = network_probabilities(model, blind, box).cpu().numpy()
            target = _own_pixels(scene, blind, box)
            truths.append(target[target >= 0])
            told.append(model.recipe.decided(model.plan, found)[target >= 0])
    truth = np.concatenate(truths)
    if not truth.size:
        return None
    return float(evaluated(model, np.concatenate(told), truth)["mean_dice"])


def _score(
    model: Model,
    step: int,
    seconds: float,
    measures: Mapping[Method, Any],
    names: tuple[str, ...],
) -> Score:
    default: Method = "mixed" if model.recipe.is_guided else "network"
    return Score(step, seconds, measures, names, default=default)


def _names(pairs: Pairs) -> tuple[str, ...]:
    return tuple(str(where) for _, out in pairs for where in sorted(out, key=str))


def _own_pixels(scene: Scene, blind: Scene, box: Box) -> NDArray[np.int64]:
    target = scene.target(box)
    target[blind.target(box) >= 0] = -1
    own: NDArray[np.int64] = target.cpu().numpy()
    return own


def evaluated(
    model: Model, prediction: NDArray[np.intp], truth: NDArray[np.int64]
) -> dict[str, Any]:
    """Compare the outputs (n) of a prediction with the true ones, as classes."""
    values = np.array(model.plan.classes, np.uint8)
    flat = (1, 1, -1)
    return dict(evaluate(values[prediction].reshape(flat), values[truth].reshape(flat)))
