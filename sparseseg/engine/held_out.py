"""An honest score while training: annotated slices that the network never sees."""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.boxes import Box
from sparseseg.engine.advice import NOT_WANTED, advice, reason
from sparseseg.engine.deadline import WALL, Now
from sparseseg.engine.lone_slice import by_default
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.referee import (
    agreed,
    answered_twice,
    between_others,
    gained,
    is_crossed,
    mostly,
    of_each_class,
    together,
    worths,
)
from sparseseg.engine.sparing import Slices, spared
from sparseseg.engine.told import (
    SliceAnswers,
    evaluated,
    measured,
    own_pixels,
    told_in_turn,
    told_when_held_out,
    with_classes,
)
from sparseseg.evaluation.confidence import fitted_temperature
from sparseseg.progress import Method, Score, worth_most
from sparseseg.recipes import Scene

_FIRST_SECONDS = 8.0
_LEAST_SECONDS = 8.0
# Scoring may take this share of the time of training.
_SHARE = 0.08
# Of a long training the other slices are left out in turn as well before one joins.
_FIRST_TURNS = 100.0

_Measures = Mapping[Method, Mapping[str, Any]]


class HeldOut:
    """One slice of each volume, chosen where it is missed least, and its score.

    The network is scored on these slices. Which answer is shown is decided by all slices:
    the others are left out in turn, where what needs no network answers without them, and
    for the network its parts that are blind to them.
    """

    def __init__(self, wanted: bool, *, now: Now = WALL) -> None:
        self._wanted, self._now = wanted, now
        self._released = False
        self._is_judged = self._is_ahead = False
        self._next = _FIRST_SECONDS
        self._next_turns = 0.0
        self._held: list[SliceAnswers] = []
        self._turns: list[SliceAnswers] = []
        self._last: Score | None = None
        self.slices: tuple[Slices, ...] = ()

    @property
    def is_ahead(self) -> bool:
        """Whether something that learns was shown when it was last scored."""
        return self._is_ahead

    def choose(
        self, scenes: Sequence[Scene], learned: Collection[int] = range(3)
    ) -> None:
        """Choose one slice of each scene; one that was held out before stays so.

        `learned` are the axes across which slices are learned from.
        """
        kept = self.slices or (Slices(),) * len(scenes)
        wanted = self._wanted and not self._released
        self.slices = tuple(
            spared(scenes, place, old, learned=learned) if wanted else Slices()
            for place, old in enumerate(kept)
        )
        self._turns, self._is_judged = [], False

    def by_depth(self, model: Model, scenes: Sequence[Scene]) -> dict[str, float]:
        """Score each depth that a model can be pruned to: its mean Dice."""
        if not any(self.slices):
            return {}
        depths = model.recipe.depths(model.plan)
        found = {
            depth: _mean_dice(model.at_depth(depth), scenes, self.slices)
            for depth in depths
        }
        return {str(depth): dice for depth, dice in found.items() if dice is not None}

    def temperature(self, model: Model, scenes: Sequence[Scene]) -> float | None:
        """Fit how sure the model may be to what it says of the held-out slices."""
        if not any(self.slices):
            return None
        found, truth = _of_network(model, scenes, self.slices)
        return fitted_temperature(found, truth) if truth.size else None

    def forget(self) -> None:
        """Forget what was told: answers of other outputs cannot be compared."""
        self._held, self._turns, self._last = [], [], None
        self._is_judged = False

    def release(self) -> None:
        """Let the held-out slices be learned from."""
        self._released = True
        self._turns, self._is_judged = [], False
        self.slices = (Slices(),) * len(self.slices)

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

        Yields now and then how far it is.
        """
        if not any(self.slices):
            is_due = at_once or seconds >= self._next_turns
            if self._is_judged or not is_due:
                return None
            return (yield from self._judged(model, scenes, step, seconds))
        if seconds < self._next and not at_once:
            return None
        begin = self._now()
        self._held = yield from told_when_held_out(model, scenes, self.slices)
        cost = self._now() - begin
        self._next = seconds + max(_LEAST_SECONDS, cost / _SHARE)
        if not self._turns and seconds >= max(_FIRST_TURNS, self._next_turns):
            pairs = zip(scenes, self.slices, strict=True)
            learned = [scene.without(out) for scene, out in pairs]
            begin = self._now()
            yield from self._take_turns(model, learned)
            self._pause_turns(begin, seconds)
        found = yield from self._scored(model, scenes, self._held, step, seconds)
        if not found.measures:
            found = replace(found, reason=reason(scenes, model.table))
        self._is_ahead = found.best not in ("walker", "interpolation")
        self._last = replace(found, advice=advice(scenes, model.table, found))
        return self._last

    def _judged(
        self, model: Model, scenes: Sequence[Scene], step: int, seconds: float
    ) -> Generator[float, None, Score]:
        """Judge all methods by slices that are left out in turn, once a choice.

        What the network had on a slice that was held out before it joined stays its score.
        """
        begin = self._now()
        if self._wanted:
            yield from self._take_turns(model, scenes)
        self._is_judged = True  # it may be dropped before
        if self._last is not None:
            found = self._judgement(model, self._last, self._held)
        else:
            found = yield from self._scored(model, scenes, self._turns, step, seconds)
        if not found.measures:
            why = reason(scenes, model.table) if self._wanted else NOT_WANTED
            found = replace(found, reason=why)
        self._pause_turns(begin, seconds)
        return replace(found, advice=advice(scenes, model.table, found))

    def _take_turns(
        self, model: Model, scenes: Sequence[Scene]
    ) -> Generator[float, None, None]:
        self._turns = yield from told_in_turn(
            model, scenes, held=self._held, now=self._now
        )

    def _pause_turns(self, begin: float, seconds: float) -> None:
        """Let some time pass: whoever goes on painting wants steps more than judgements."""
        self._next_turns = seconds + (self._now() - begin) / _SHARE

    def _scored(
        self,
        model: Model,
        scenes: Sequence[Scene],
        told: Sequence[SliceAnswers],
        step: int,
        seconds: float,
    ) -> Generator[float, None, Score]:
        """Return the score on some slices; all slices say how much a method is worth."""
        default = yield from by_default(model, scenes)
        places = sorted(told, key=lambda one: (one.where.axis, one.where.index))
        names = tuple(str(one.where) for one in places)
        empty = Score(step, seconds, {}, names, default=default)
        found = self._judgement(model, empty, told)
        return found if found.measures else replace(found, slices=())

    def _judgement(
        self, model: Model, score: Score, told: Sequence[SliceAnswers]
    ) -> Score:
        """Measure all methods on some slices, and let all slices say which is shown."""
        every = together(self._held, self._turns)
        found = measured(model, every)
        known = self._worths(model, every, found)
        by_class = self._by_class(model, every, found, known)
        shown = [with_classes(model, one, by_class) for one in told]
        measures = measured(model, shown)
        return replace(score, measures=measures, worths=known, by_class=by_class)

    def _worths(
        self, model: Model, every: Sequence[SliceAnswers], found: _Measures
    ) -> dict[Method, float]:
        own, stand_ins = answered_twice(self._held, self._turns)
        pixels = sum(one.target.size for one in own)
        seen = _ious(measured(model, own)), _ious(measured(model, stand_ins))
        gains = gained(*seen, pixels, is_crossed=is_crossed(every))
        known = worths(every, _ious(found), gains)
        if inner := between_others(every):
            there = worths(inner, _ious(measured(model, inner)), gains)
            known = mostly(there, known)
        return agreed(known, sum(one.target.size for one in every))

    def _by_class(
        self,
        model: Model,
        every: Sequence[SliceAnswers],
        found: _Measures,
        known: Mapping[Method, float],
    ) -> dict[int, Method]:
        """Return the method of each class, nothing where it is the same for all.

        One slice alone tells too little: of a class that is not on it, nothing at all.
        """
        if not self._turns or not known:
            return {}
        general = worth_most(known)
        if general == "interpolation":  # far ahead of all others, then
            return {}
        counts = np.array([one.counts for one in every])
        classes = [*zip(model.plan.classes, counts.T, strict=True)]
        pixels = {
            value: int(each.sum()) for value, each in classes if value and each.any()
        }
        lone = {value for value, each in classes if np.count_nonzero(each) == 1}
        ious = {method: measures["iou"] for method, measures in found.items()}
        told = of_each_class(
            ious, pixels, general, lone=lone, is_crossed=is_crossed(every)
        )
        return told if len({*told.values()}) > 1 else {}


def _ious(found: _Measures) -> dict[Method, float]:
    return {method: float(measures["mean_iou"]) for method, measures in found.items()}


def _mean_dice(
    model: Model, scenes: Sequence[Scene], out: Sequence[Slices]
) -> float | None:
    found, truth = _of_network(model, scenes, out)
    if not truth.size:
        return None
    decided = model.recipe.decided(model.plan, found)
    return float(evaluated(model, decided, truth)["mean_dice"])


def _of_network(
    model: Model, scenes: Sequence[Scene], out: Sequence[Slices]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a network says (k, n) of what is painted on slices (n) it has not seen."""
    told, truths = [], []
    for scene, slices in zip(scenes, out, strict=True):
        blind = scene.without(slices)
        for where in slices:
            box = Box.plane(scene.volume.shape, where.axis, where.index)
            target = own_pixels(scene, blind, where)
            found = network_probabilities(model, blind, box).cpu().numpy()
            told.append(found[:, target >= 0])
            truths.append(target[target >= 0])
    return np.concatenate(told, 1), np.concatenate(truths)
