"""How good a prediction is expected to be, on a few planes that nobody annotated."""

from collections.abc import Generator, Iterator, Sequence
from itertools import zip_longest

import numpy as np
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.deadline import IsLate, never
from sparseseg.engine.mixing import alone, mix_of, needs, seen_by
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.propagation import (
    Walk,
    remembered,
    walked_through,
)
from sparseseg.engine.score.evidence import between
from sparseseg.evaluation.estimate import Evidence
from sparseseg.progress import Method
from sparseseg.recipes import Scene

_PLANES, _FEWEST = 4, 3  # of each axis, and of all where time is short


def expected_now(
    model: Model,
    scenes: Sequence[Scene],
    labels: Sequence[SparseLabels],
    evidence: Evidence,
    method: Method,
    *,
    is_late: IsLate = never,
) -> Generator[float, None, dict[int, float]]:
    """Return the Dice by class that is expected of a method; yield how far it is.

    Of several volumes it is the mean. If it `is_late`, one plane of each axis has to do.
    """
    found: dict[int, list[float]] = {}
    for number, (scene, own) in enumerate(zip(scenes, labels, strict=True)):
        tally = between(scene, own, evidence)
        walked = (
            (yield from walked_through(remembered(scene)))
            if needs(method, model, "walker")
            else None
        )
        for place, box in enumerate(_spread(scene)):
            yield number / len(scenes)
            if place >= _FEWEST and is_late():
                break
            answer = _answer(model, scene, box, method, walked).cpu().numpy()
            tally.add(answer, model.recipe.decided(model.plan, answer), box)
        for value, dice in zip(model.plan.classes, tally.dice, strict=True):
            if value and dice is not None:
                found.setdefault(value, []).append(dice)
    return {value: float(np.mean(dices)) for value, dices in found.items()}


def _spread(scene: Scene) -> Iterator[Box]:
    """Yield planes at equal distances along each axis, none of them annotated.

    They come in turn of all axes, and the inner ones first.
    """
    shape = scene.volume.shape
    known = {(where.axis, where.index) for where in scene.slices}
    along = [
        _inner_first([n for n in range(length) if (axis, n) not in known])
        for axis, length in enumerate(shape)
    ]
    for places in zip_longest(*along):
        for axis, index in enumerate(places):
            if index is not None:
                yield Box.plane(shape, axis, index)


def _inner_first(free: Sequence[int]) -> list[int]:
    """Return a few at equal distances, the ones in the middle first."""
    places = {int((n + 0.5) / _PLANES * len(free)) for n in range(_PLANES)}
    middle = (len(free) - 1) / 2
    ranked = sorted(places, key=lambda place: abs(place - middle))
    return [free[place] for place in ranked if free]


def _answer(
    model: Model, scene: Scene, box: Box, method: Method, walked: Walk | None
) -> Tensor:
    seen = seen_by(method, model, scene)
    if other := alone(method, model, seen, walked):
        return other(box)
    learned = network_probabilities(model, seen, box)
    mix = mix_of(method, model, seen, walked)
    return mix(learned, box) if mix else learned
