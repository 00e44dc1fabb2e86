"""How well a model does on a volume that nobody annotated.

With several annotated volumes, one is left out and a stand-in learns from the others: the
parts of the network that are fitted within seconds, without the steps of the training.
"""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.engine.model import Model
from sparseseg.engine.prediction import network_probabilities
from sparseseg.engine.sparing import spared_volume
from sparseseg.engine.told import evaluated
from sparseseg.progress import LeftOut, Score
from sparseseg.recipes import Scene

_SLICES = 6  # of the left-out volume that are scored


def by_slices(score: Score) -> dict[str, Any] | None:
    """Return the score of the network without guidance on held-out slices, if any."""
    found = score.measures.get("unguided", score.measures.get("network"))
    return None if found is None else _told(found, score.slices, "slices")


def by_volume(
    model: Model, scenes: Sequence[Scene], seed: int
) -> Generator[float, None, dict[str, Any] | None]:
    """Score a stand-in on a volume that it has not seen; yield how far that is.

    Returns None where a recipe learns by steps alone, or where no volume can be spared.
    """
    place = spared_volume(scenes)
    if place is None or not model.recipe.has_classifiers:
        return None
    learned = [scene for number, scene in enumerate(scenes) if number != place]
    stand_in = Model(model.plan, model.table)
    stand_in.network.to(model.device)
    rng = np.random.default_rng(seed)
    yield from model.recipe.prepare(stand_in.network, learned, rng)
    chosen = _spread(scenes[place].slices)
    found = _scored(stand_in, scenes[place], chosen)
    return _told(found, tuple(map(str, chosen)), "volume")


def _told(found: Any, slices: tuple[str, ...], left_out: LeftOut) -> dict[str, Any]:
    return {**found, "slices": list(slices), "left_out": left_out}


def _spread(slices: Sequence[AnnotatedSlice]) -> list[AnnotatedSlice]:
    """Return a few slices that are spread over all."""
    count = min(_SLICES, len(slices))
    places = np.linspace(0, len(slices) - 1, count).round().astype(int)
    return [slices[place] for place in places]


def _scored(
    model: Model, scene: Scene, slices: Sequence[AnnotatedSlice]
) -> dict[str, Any]:
    """Compare the answers on slices with what was painted there."""
    bare = scene.without(scene.slices)
    told, truths = [], []
    for where in slices:
        box = Box.plane(scene.volume.shape, where.axis, where.index)
        target = scene.target(box).cpu().numpy()
        found = network_probabilities(model, bare, box).cpu().numpy()
        index = model.recipe.decided(model.plan, found)
        told.append(index[target >= 0])
        truths.append(target[target >= 0])
    return evaluated(model, np.concatenate(told), np.concatenate(truths))
