"""An honest score while training: annotated slices that the network never sees."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.advice import NOT_WANTED, advice, reason
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.confidence import fitted_temperature
from sparseseg.events import Method, Score
from sparseseg.model import Model
from sparseseg.prediction import network_probabilities
from sparseseg.propagation import interpolated, walk
from sparseseg.recipes import Scene
from sparseseg.sparing import Slices, left_out_in_turn, spared
from sparseseg.tiling import Box

_FIRST_SECONDS = 8.0
_LEAST_SECONDS = 8.0
# Scoring may take this share of the time of training.
_SHARE = 0.08
_LEARNED: tuple[Method, ...] = ("network", "unguided")
_UNLEARNED: tuple[Method, ...] = ("walker", "interpolation")

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
        self._unlearned: dict[Method, Any] = {}
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
        self._unlearned = {}
        self._is_judged = self._released

    def by_depth(self, model: Model, scenes: Sequence[Scene]) -> dict[str, float]:
        """Score each depth that a model can be pruned to: its mean Dice."""
        if not any(self.slices):
            return {}
        pairs = list(zip(scenes, self.slices, strict=True))
        return {
            str(depth): _at_once(model.at_depth(depth), pairs)["mean_dice"]
            for depth in model.recipe.depths(model.plan)
        }

    def temperature(self, model: Model, scenes: Sequence[Scene]) -> float | None:
        """Fit how sure the model may be to what it says of the held-out slices."""
        if not any(self.slices):
            return None
        told, truths = [], []
        for scene, slices in zip(scenes, self.slices, strict=True):
            blind = scene.without(slices)
            for where in slices:
                box = _plane(where, scene.volume.shape)
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
        begin = time.perf_counter()
        pairs = list(zip(scenes, self.slices, strict=True))
        learned: dict[Method, Any] = {}
        for method in _LEARNED if model.recipe.is_guided else ("network",):
            learned[method] = yield from _measured(model, pairs, method)
        yield 0.5
        cost = time.perf_counter() - begin
        if not self._unlearned:
            for method in _UNLEARNED:
                self._unlearned[method] = yield from _measured(model, pairs, method)
        self._next = seconds + max(_LEAST_SECONDS, cost / _SHARE)
        found = Score(step, seconds, learned | self._unlearned, _names(pairs))
        self._is_ahead = found.best in learned
        return replace(found, advice=advice(scenes, model.table, found))

    def _judged(
        self, model: Model, scenes: Sequence[Scene], step: int, seconds: float
    ) -> Generator[float, None, Score | None]:
        """Judge all methods by slices that are left out one at a time, once a choice."""
        if self._is_judged:
            return None
        self._is_judged = True
        turns = left_out_in_turn(scenes) if self._wanted else []
        pairs = [(scenes[number], frozenset([where])) for number, where in turns]
        measures: Mapping[Method, Any] = {}
        if model.recipe.is_guided and pairs:
            measures = yield from _left_out(model, scenes, pairs)
        why = ""
        if not measures:
            why = reason(scenes, model.table) if self._wanted else NOT_WANTED
        names = _names(pairs) if measures else ()
        found = Score(step, seconds, measures, names, why)
        return replace(found, advice=advice(scenes, model.table, found))


def _left_out(
    model: Model, scenes: Sequence[Scene], pairs: Pairs
) -> Generator[float, None, dict[Method, Any]]:
    """Measure all methods; for the network stand its parts that are blind to a slice."""
    found: dict[Method, Any] = {}
    for method in _LEARNED:
        found[method] = yield from _measured_blind(
            model, scenes, pairs, guided=method == "network"
        )
    for method in _UNLEARNED:
        found[method] = yield from _measured(model, pairs, method)
    return found


def _measured_blind(
    model: Model, scenes: Sequence[Scene], pairs: Pairs, *, guided: bool
) -> Generator[float, None, dict[str, Any]]:
    every = [(scene, where) for scene in scenes for where in scene.slices]
    answers = []
    for scene, (where,) in pairs:
        yield 0.0
        place = every.index((scene, where))
        found = model.recipe.unseen(model.network, scenes, place, guided=guided)
        assert found is not None
        box = _plane(where, scene.volume.shape)
        shown = found.unsqueeze(where.axis + 1).float().cpu().numpy()
        answers.append(_told_and_true(model, scene, scene.without([where]), box, shown))
    return _evaluated(model, answers)


def _measured(
    model: Model, pairs: Pairs, method: Method
) -> Generator[float, None, dict[str, Any]]:
    answers = []
    for scene, slices in pairs:
        blind = scene.without(slices)
        walked = None
        if method == "walker":
            walking = walk(blind)
            while walked is None:
                try:
                    next(walking)
                    yield 0.0
                except StopIteration as end:
                    walked = end.value
        for where in slices:
            yield 0.0
            box = _plane(where, scene.volume.shape)
            found = walked(blind, box) if walked else _answer(model, blind, method, box)
            shown = found.cpu().numpy()
            answers.append(_told_and_true(model, scene, blind, box, shown))
    return _evaluated(model, answers)


def _answer(model: Model, scene: Scene, method: Method, box: Box) -> Tensor:
    if method == "interpolation":
        return interpolated(scene, box)
    seen = scene if method == "network" else scene.without(scene.slices)
    return network_probabilities(model, seen, box)


def _at_once(model: Model, pairs: Pairs) -> dict[str, Any]:
    measuring = _measured(model, pairs, "network")
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            found: dict[str, Any] = end.value
            return found


def _names(pairs: Pairs) -> tuple[str, ...]:
    return tuple(str(where) for _, out in pairs for where in sorted(out, key=str))


def _told_and_true(
    model: Model,
    scene: Scene,
    blind: Scene,
    box: Box,
    probabilities: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return what is said of the pixels that the blind scene does not show."""
    index = model.recipe.decided(model.plan, probabilities)
    target = _own_pixels(scene, blind, box)
    return index[target >= 0], target[target >= 0]


def _own_pixels(scene: Scene, blind: Scene, box: Box) -> NDArray[np.int64]:
    target = scene.target(box)
    target[blind.target(box) >= 0] = -1
    own: NDArray[np.int64] = target.cpu().numpy()
    return own


def _evaluated(
    model: Model, answers: Sequence[tuple[NDArray[np.intp], NDArray[np.int64]]]
) -> dict[str, Any]:
    prediction, truth = (np.concatenate(part) for part in zip(*answers, strict=True))
    values = np.array(model.plan.classes, np.uint8)
    flat = (1, 1, -1)
    return dict(evaluate(values[prediction].reshape(flat), values[truth].reshape(flat)))


def _plane(where: AnnotatedSlice, shape: tuple[int, int, int]) -> Box:
    start, stop = [0, 0, 0], list(shape)
    start[where.axis], stop[where.axis] = where.index, where.index + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
