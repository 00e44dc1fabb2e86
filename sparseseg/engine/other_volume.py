"""How well a model does on a volume that nobody annotated.

With several annotated volumes, each is left out in turn and a stand-in learns from the
others: the parts of the network that are fitted within seconds, without the steps of the
training. With one volume, slices of it are left out.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.engine.mixing import mix_of, without_annotation
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.score.blind import BlindSlice, blind_slices
from sparseseg.engine.score.gathering import summed_up
from sparseseg.engine.sparing import spared_volumes
from sparseseg.engine.told import evaluated
from sparseseg.evaluation.elsewhere import Elsewhere
from sparseseg.evaluation.matching import FAR, only_far
from sparseseg.progress import LeftOut, Method, Score
from sparseseg.recipes import Scene

_SLICES = 6  # of a left-out volume that are scored
_VOLUMES = 3  # that are left out: each takes seconds


def by_slices(score: Score) -> dict[str, Any] | None:
    """Return the score on held-out slices of what sees the image alone, if any."""
    alone: tuple[Method, ...] = ("forest", "unguided", "network")
    for method in alone:
        if method in score.measures:
            return _told(score.measures[method], score.slices, "slices")
    return None


def by_volume(model: Model, slices: Sequence[BlindSlice]) -> dict[str, Any]:
    """Return the score of a stand-in on slices of volumes that it had not seen."""
    told = [model.recipe.decided(model.plan, one.probabilities) for one in slices]
    truth = np.concatenate([one.target for one in slices])
    found = evaluated(model, np.concatenate(told), truth)
    return _told(found, tuple(one.name for one in slices), "volume")


def elsewhere(
    model: Model, scenes: Sequence[Scene], slices: Sequence[BlindSlice]
) -> Elsewhere:
    """Return what slices that a stand-in had not seen say of other volumes."""
    found = summed_up(
        model, scenes, slices, only_far(), without_annotation(model.recipe)
    )
    count = len(scenes)
    return Elsewhere(found, "slices" if count == 1 else "volume", count)


def blind_elsewhere(
    model: Model, scenes: Sequence[Scene], seed: int
) -> Generator[float, None, list[BlindSlice]]:
    """Return what is said without guidance of what was not learned from.

    Yields how far that is. Returns nothing where a recipe learns by steps alone, or where
    no volume can be spared.
    """
    if len(scenes) == 1:
        slices = yield from blind_slices(
            model, scenes, without_annotation(model.recipe)
        )
        return [replace(one, distances=_far(one.target)) for one in slices]
    found: list[BlindSlice] = []
    places = spared_volumes(scenes) if model.recipe.has_classifiers else []
    for number, place in enumerate(places[:_VOLUMES]):
        yield number / len(places[:_VOLUMES])
        found += yield from _without(model, scenes, place, seed)
    return found


def _without(
    model: Model, scenes: Sequence[Scene], place: int, seed: int
) -> Generator[float, None, list[BlindSlice]]:
    """Let a stand-in learn from all volumes but one, and answer for that one."""
    learned = [scene for number, scene in enumerate(scenes) if number != place]
    stand_in = Model(model.plan, model.table)
    stand_in.network.to(model.device)
    rng = np.random.default_rng(seed)
    yield from model.recipe.prepare(stand_in.network, learned, rng)
    scene = scenes[place]
    return [_answered(stand_in, scene, where) for where in _spread(scene.slices)]


def _answered(model: Model, scene: Scene, where: AnnotatedSlice) -> BlindSlice:
    box = Box.plane(scene.volume.shape, where.axis, where.index)
    target = scene.target(box).cpu().numpy()
    bare = scene.without(scene.slices)
    answer = network_probabilities(model, bare, box)
    mix = mix_of(without_annotation(model.recipe), model, bare, None)
    found = (mix(answer, box) if mix else answer).cpu().numpy()
    labelled = target >= 0
    truth = target[labelled].astype(np.intp)
    return BlindSlice(str(where), found[:, labelled], truth, _far(truth))


def _far(target: np.ndarray) -> np.ndarray:
    return np.full(len(target), FAR)


def _told(found: Any, slices: tuple[str, ...], left_out: LeftOut) -> dict[str, Any]:
    return {**found, "slices": list(slices), "left_out": left_out}


def _spread(slices: Sequence[AnnotatedSlice]) -> list[AnnotatedSlice]:
    """Return a few slices that are spread over all."""
    count = min(_SLICES, len(slices))
    places = np.linspace(0, len(slices) - 1, count).round().astype(int)
    return [slices[place] for place in places]
