"""An honest score while training: annotated slices that the network never sees."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.advice import NOT_WANTED, advice, reason
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.confidence import fitted_temperature
from sparseseg.events import Method, Score
from sparseseg.model import Model
from sparseseg.prediction import interpolated, network_probabilities
from sparseseg.recipes import Scene
from sparseseg.sparing import Slices, spared
from sparseseg.tiling import Box

_FIRST_SECONDS = 8.0
_LEAST_SECONDS = 8.0
# Scoring may take this share of the time of training.
_SHARE = 0.08


class HeldOut:
    """One slice of each volume, chosen where it is missed least, and its score."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._released = False
        self._told = self._is_ahead = False
        self._next = _FIRST_SECONDS
        self._interpolation: dict[str, Any] | None = None
        self.slices: tuple[Slices, ...] = ()

    @property
    def is_ahead(self) -> bool:
        """Whether the network was better than interpolation when it was last scored."""
        return self._is_ahead

    def choose(self, scenes: Sequence[Scene]) -> None:
        """Choose one slice of each scene; one that was held out before stays so."""
        kept = self.slices or (Slices(),) * len(scenes)
        wanted = self._wanted and not self._released
        self.slices = tuple(
            spared(scenes, place, old) if wanted else Slices()
            for place, old in enumerate(kept)
        )
        self._interpolation = None

    def by_depth(self, model: Model, scenes: Sequence[Scene]) -> dict[str, float]:
        """Score each depth that a model can be pruned to: its mean Dice."""
        if not any(self.slices):
            return {}
        pairs = list(zip(scenes, self.slices, strict=True))
        return {
            str(depth): _measure(model.at_depth(depth), pairs, "network")["mean_dice"]
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
                target = _own_pixels(scene, blind, where, box)
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
        self._released = True
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
    ) -> Score | None:
        """Score both methods when it is time, or `at_once`, else return None.

        Pixels where other annotated slices cross are left out: those were seen.
        """
        if not any(self.slices):
            told, self._told = self._told, True
            return None if told else self._unmeasured(model, scenes, step, seconds)
        if seconds < self._next and not at_once:
            return None
        self._told = True
        begin = time.perf_counter()
        pairs = list(zip(scenes, self.slices, strict=True))
        if self._interpolation is None:
            self._interpolation = _measure(model, pairs, "interpolation")
        network = _measure(model, pairs, "network")
        cost = time.perf_counter() - begin
        self._next = seconds + max(_LEAST_SECONDS, cost / _SHARE)
        names = tuple(
            str(where) for out in self.slices for where in sorted(out, key=str)
        )
        measures: dict[Method, Any] = {
            "interpolation": self._interpolation,
            "network": network,
        }
        found = Score(step, seconds, measures, names)
        self._is_ahead = found.best == "network"
        return replace(found, advice=advice(scenes, model.table, found))

    def _unmeasured(
        self, model: Model, scenes: Sequence[Scene], step: int, seconds: float
    ) -> Score:
        why = reason(scenes, model.table) if self._wanted else NOT_WANTED
        found = Score(step, seconds, {}, (), why)
        return replace(found, advice=advice(scenes, model.table, found))


def _measure(
    model: Model, pairs: Sequence[tuple[Scene, Slices]], method: str
) -> dict[str, Any]:
    predictions, truths = [], []
    for scene, slices in pairs:
        blind = scene.without(slices)
        for where in slices:
            box = _plane(where, scene.volume.shape)
            predict = network_probabilities if method == "network" else None
            probabilities = (
                predict(model, blind, box) if predict else interpolated(blind, box)
            )
            index = model.recipe.decided(model.plan, probabilities.cpu().numpy())
            target = _own_pixels(scene, blind, where, box)
            predictions.append(index[target >= 0])
            truths.append(target[target >= 0])
    return _evaluated(model, np.concatenate(predictions), np.concatenate(truths))


def _own_pixels(
    scene: Scene, blind: Scene, where: AnnotatedSlice, box: Box
) -> NDArray[np.int64]:
    target = scene.target(box)
    target[blind.target(box) >= 0] = -1
    own: NDArray[np.int64] = target.cpu().numpy()
    return own


def _evaluated(
    model: Model, prediction: NDArray[np.int64], truth: NDArray[np.int64]
) -> dict[str, Any]:
    values = np.array(model.plan.classes, np.uint8)
    flat = (1, 1, -1)
    return dict(evaluate(values[prediction].reshape(flat), values[truth].reshape(flat)))


def _plane(where: AnnotatedSlice, shape: tuple[int, int, int]) -> Box:
    start, stop = [0, 0, 0], list(shape)
    start[where.axis], stop[where.axis] = where.index, where.index + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
