"""From blind answers to evidence, which a model keeps."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import UNLABELLED
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.deadline import IsLate, never
from sparseseg.engine.mixing import by_network, made_of
from sparseseg.engine.model import Model
from sparseseg.engine.score.blind import BlindSlice, blind_slices
from sparseseg.engine.score.evidence import keep, nearest_of
from sparseseg.engine.score.planes import expected_now
from sparseseg.evaluation.calibration import Calibration, expected_dice, fitted
from sparseseg.evaluation.estimate import Evidence, spreads
from sparseseg.evaluation.matching import (
    BINS,
    binned,
    counted,
    histogram,
    weights,
)
from sparseseg.evaluation.reliability import reliability
from sparseseg.progress import Method
from sparseseg.recipes import Scene

Floats = NDArray[np.float64]

# Pixels of a slice that a calibration is fitted to.
_PIXELS = 20_000


def gather(
    model: Model,
    scenes: Sequence[Scene],
    labels: Sequence[SparseLabels],
    method: Method,
    *,
    is_late: IsLate = never,
) -> Generator[float, None, Evidence]:
    """Find out what the annotated slices of a model say of a method; the model keeps it.

    `scenes` are those that it has learned from, and `labels` their annotations. Yields
    how far it is (0..1). If it `is_late`, it looks at no more than an estimate needs.
    """
    slices = yield from blind_slices(model, scenes, method, is_late=is_late)
    wanted = np.sum(
        [
            histogram(nearest_of(scene), one.array == UNLABELLED)
            for scene, one in zip(scenes, labels, strict=True)
        ],
        axis=0,
    )
    found = summed_up(model, scenes, slices, wanted, method)
    if found.mean is not None:
        now = yield from expected_now(
            model, scenes, labels, found, method, is_late=is_late
        )
        found = replace(found, now=now)
    keep(model.history, found)
    return found


def summed_up(
    model: Model,
    scenes: Sequence[Scene],
    slices: Sequence[BlindSlice],
    wanted: Floats,
    method: Method,
) -> Evidence:
    """Return what left-out slices say of a method; `wanted` voxels lie in each bin."""
    classes = model.plan.classes
    seen = {n: _slices_with(scenes, n) for n, number in enumerate(classes) if number}
    outputs = len(classes)
    if not slices:
        nothing = dict.fromkeys(number for number in classes if number)
        return Evidence(method, 0, nothing, None, Calibration().t)
    chosen = _chosen(slices, wanted)
    calibration = fitted(*chosen)
    likely = calibration(chosen.probabilities, chosen.distances)
    told = chosen.probabilities.argmax(0)
    expected = expected_dice(likely, told, chosen.weight)
    counts = [
        counted(one.probabilities.argmax(0), one.target, one.distances, outputs)
        for one in slices
    ]
    found, mean = spreads(np.stack(counts), wanted, expected, seen)
    by_class = {classes[place]: spread for place, spread in found.items()}
    return Evidence(
        method,
        len(slices),
        by_class,
        mean,
        calibration.t,
        annotated=sum(len(scene.slices) for scene in scenes),
        labelled=float(np.mean([one.share for one in slices])),
        reliability=reliability(chosen.probabilities, chosen.target, chosen.weight),
        by_network=by_network(made_of(method, model)),
    )


def _slices_with(scenes: Sequence[Scene], output: int) -> int:
    return sum(len(kinds[output]) > 0 for scene in scenes for kinds in scene.places)


class _Chosen(NamedTuple):
    """Pixels of all left-out slices, which stand for the voxels that nobody annotated."""

    probabilities: NDArray[np.float32]
    target: NDArray[np.intp]
    distances: Floats
    weight: Floats


def _chosen(slices: Sequence[BlindSlice], wanted: Floats) -> _Chosen:
    rng = np.random.default_rng(0)
    parts = []
    for one in slices:
        away = np.flatnonzero(one.distances > 0)
        few = rng.choice(away, min(len(away), _PIXELS), replace=False)
        share = np.full(len(few), len(away) / max(1, len(few)))
        chosen = one.probabilities[:, few], one.target[few], one.distances[few]
        parts.append((*chosen, share))
    probabilities, target, distances, share = (
        np.concatenate([part[kind] for part in parts], axis=-1) for kind in range(4)
    )
    place = binned(distances)
    held_out = np.bincount(place, share, minlength=BINS).astype(float)
    weight = share * weights(held_out, wanted)[place]
    weight /= max(weight.mean(), 1e-12)
    return _Chosen(probabilities, target, distances, weight)
