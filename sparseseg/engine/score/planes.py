"""How good a prediction is expected to be, on a few planes that nobody annotated."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.mixing import UNGUIDED, mix_of, needs
from sparseseg.engine.model import Model
from sparseseg.engine.prediction import network_probabilities
from sparseseg.engine.propagation import (
    Walk,
    interpolated,
    remembered,
    walked_through,
)
from sparseseg.engine.score.evidence import between
from sparseseg.evaluation.estimate import Evidence
from sparseseg.progress import Method
from sparseseg.recipes import Scene

_PLANES = 4  # of each axis


def expected_now(
    model: Model,
    scenes: Sequence[Scene],
    labels: Sequence[SparseLabels],
    evidence: Evidence,
    method: Method,
) -> Generator[float, None, dict[int, float]]:
    """Return the Dice by class that is expected of a method; yield how far it is.

    Of several volumes it is the mean.
    """
    found: dict[int, list[float]] = {}
    for number, (scene, own) in enumerate(zip(scenes, labels, strict=True)):
        tally = between(scene, own, evidence)
        walked = (
            (yield from walked_through(remembered(scene)))
            if needs(method, "walker")
            else None
        )
        for box in _spread(scene):
            yield number / len(scenes)
            answer = _answer(model, scene, box, method, walked).cpu().numpy()
            tally.add(answer, model.recipe.decided(model.plan, answer), box)
        for place, dice in zip(model.plan.classes, tally.dice, strict=True):
            if place and dice is not None:
                found.setdefault(place, []).append(dice)
    return {place: float(np.mean(values)) for place, values in found.items()}


def _spread(scene: Scene) -> Iterator[Box]:
    """Yield planes at equal distances along each axis, none of them annotated."""
    shape = scene.volume.shape
    known = {(where.axis, where.index) for where in scene.slices}
    for axis, length in enumerate(shape):
        free = [n for n in range(length) if (axis, n) not in known]
        places = (np.arange(_PLANES) + 0.5) / _PLANES * len(free)
        for place in sorted(set(places.astype(int).tolist())) if free else ():
            yield Box.plane(shape, axis, free[place])


def _answer(
    model: Model, scene: Scene, box: Box, method: Method, walked: Walk | None
) -> Tensor:
    if method == "interpolation":
        return interpolated(scene, box)
    if method == "walker" and walked is not None:
        return walked(box)
    seen = scene.without(scene.slices) if method in UNGUIDED else scene
    learned = network_probabilities(model, seen, box)
    mix = mix_of(method, model, seen, walked)
    return mix(learned, box) if mix else learned
