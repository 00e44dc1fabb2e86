"""Whether a remedy against drift between the slices helps.

All ways train for so many steps on the same slices. *Entropy* adds the entropy of the
unlabelled pixels of a crop to the loss; a whole slice has none. *Own labels* predicts after half of the steps, and from
then on also learns from what the model was sure of on the six slices that close the largest
gaps. *Weighted labels* does so with all that the model says there: each voxel is kept as
often as it is right, by the calibration of the estimate between the slices. With *consistent
planes*, each step of the second half also learns, on a plane that nobody annotated, what the mean of the three
views says there. The score is the mean IoU of all voxels that a person did not annotate.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from measuring import CLOCKS
from numpy.typing import NDArray
from torch import Tensor

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND
from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import well_labelled
from sparseseg.engine.model import Model
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.score.evidence import nearest_of
from sparseseg.engine.score.gathering import gather
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.engine.trainee import Trainee
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.gain import CoarseGrid, best_planes
from sparseseg.evaluation.suggesting import sides_of
from sparseseg.progress import Method
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import features
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from sparseseg.work import result_of

Kept = Callable[[Segmentation, Model, Scene, SparseLabels], NDArray[np.bool_]]

WAYS = ("nothing", "entropy", "own labels", "weighted labels", "consistent planes")
ANSWERS: tuple[Method, ...] = ("network", "mixed")
_ENTROPY = 0.1
_PLANES, _SURE = 6, 0.2  # of the largest entropy
_AGREEMENT, _FRESH = (
    0.3,
    20,
)  # its weight, and the steps after which the mean is taken anew


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument(
        "--strokes", action="store_true", help="a few strokes on each slice, not whole"
    )
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    out = Path(__file__).with_name("results") / "remedies.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    for name in volumes.chosen(args):
        for seed in args.seeds:
            for way in args.ways:
                key = {"volume": name, "seed": seed, "way": way, "steps": args.steps}
                key |= {"strokes": True} if args.strokes else {}
                if not records.has(args.out, key):
                    row = key | _measured(key, args)
                    records.append(args.out, row)
                    print(row, flush=True)


def _measured(key: dict[str, Any], args: argparse.Namespace) -> dict[str, float]:
    case = _case(key, args)
    known = case.annotation.copy()
    labels = SparseLabels(case.annotation)
    settings = TrainSettings(steps=key["steps"], seed=key["seed"])
    model = create([(case.volume, labels)], settings)
    if key["way"] == "entropy":
        options = {**model.plan.options, "entropy": _ENTROPY}
        model.plan = replace(model.plan, options=options)
    begin = time.process_time()
    half = key["steps"] // 2
    is_consistent = key["way"] == "consistent planes"
    with _consistent(model, half) if is_consistent else nullcontext():
        for step in train(
            model, [(case.volume, labels)], settings, seconds=CLOCKS["cpu"]
        ):
            if step.step == half and key["way"] in _LABELLED:
                _label(case, model, labels, is_kept=_LABELLED[key["way"]])
    spent = time.process_time() - begin
    case.annotation[:] = known
    own = SparseLabels(known)
    return {"seconds": round(spent, 1)} | dict(_scores(case, model, own))


def _case(key: dict[str, Any], args: argparse.Namespace) -> volumes.Case:
    if "strokes" in key:
        return volumes.load_with_strokes(
            key["volume"], args.data, (3, 3, 3), key["seed"]
        )
    return volumes.load(key["volume"], args.data, (3, 3, 3), 0.1 * key["seed"])


def _label(
    case: volumes.Case, model: Model, labels: SparseLabels, *, is_kept: Kept
) -> None:
    """Paint what a model says, where that is kept, on the slices that close the largest gaps."""
    job = Job(extras=frozenset({"uncertainty", "probabilities"}))
    found = finished(segment(model, case.volume, job, labels=labels))
    kept = is_kept(found, model, Scene.of(model.plan, case.volume, labels), labels)
    grid = CoarseGrid.of(case.volume.shape, sides_of(case.volume.spacing))
    there = well_labelled(labels.slices(), case.volume.shape)
    for axis, index in best_planes(grid, None, there, _PLANES):
        at = (slice(None),) * axis + (index,)
        free = (case.annotation[at] == 0) & kept[at]
        told = np.where(found.labels[at] == 0, BACKGROUND, found.labels[at])
        case.annotation[at] = np.where(free, told, case.annotation[at])


def _sure(found: Segmentation, *_: Any) -> NDArray[np.bool_]:
    assert found.uncertainty is not None
    sure: NDArray[np.bool_] = found.uncertainty < _SURE * found.uncertainty.max()
    return sure


def _by_chance(
    found: Segmentation, model: Model, scene: Scene, labels: SparseLabels
) -> NDArray[np.bool_]:
    """Keep each voxel as often as it is right, so that it weighs so much in the loss."""
    assert found.probabilities is not None
    evidence = result_of(gather(model, [scene], [labels], found.method))
    distances = nearest_of(scene)(Box.whole(scene.volume.shape))
    likely = Calibration(evidence.calibration)(found.probabilities, distances).max(0)
    kept: NDArray[np.bool_] = np.random.default_rng(0).random(likely.shape) < likely
    return kept


_LABELLED: dict[str, Kept] = {"own labels": _sure, "weighted labels": _by_chance}


@contextmanager
def _consistent(model: Model, begin: int) -> Iterator[None]:
    """Let steps after so many learn as well what the mean of the three views says."""
    own, rng = Trainee._learn, np.random.default_rng(0)
    steps, means = itertools.count(1), list[Tensor]()

    def learns(trainee: Trainee) -> Tensor:
        loss = own(trainee)
        step = next(steps)
        if step > begin:
            scene = trainee._scenes[0]
            if (step - begin) % _FRESH == 1:
                box = Box.whole(scene.volume.shape)
                means[:] = [network_probabilities(model, scene, box).clone()]
            _disagreement(trainee, scene, means[0], rng).backward()  # type: ignore[no-untyped-call]
        return loss

    Trainee._learn = learns  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainee._learn = own  # type: ignore[method-assign]


def _disagreement(
    trainee: Trainee, scene: Scene, mean: Tensor, rng: np.random.Generator
) -> Tensor:
    """Return how far the view of a plane is from the mean (k, z, y, x) of all views."""
    known = {(where.axis, where.index) for where in scene.slices}
    shape = scene.volume.shape
    free = [(a, n) for a in range(3) for n in range(shape[a]) if (a, n) not in known]
    axis, index = free[rng.integers(len(free))]
    box = Box.plane(shape, axis, index)
    filters, beside = (
        part.squeeze(axis + 1)
        for part in (
            features.features(scene, box),
            features.neighbours(scene, box, axis),
        )
    )
    planes = features.stacked(filters, beside, scene, box, axis)[None]
    told = trainee.network(planes)[0].float().log_softmax(0)
    return -_AGREEMENT * (mean.select(axis + 1, index) * told).sum(0).mean()


def _scores(
    case: volumes.Case, model: Model, labels: SparseLabels
) -> Iterator[tuple[str, float]]:
    for answer in ANSWERS:
        found = finished(segment(model, case.volume, Job(method=answer), labels=labels))
        scores = evaluate(found.labels, case.truth, annotation=case.annotation)
        yield answer, round(float(scores["mean_iou"]), 4)


if __name__ == "__main__":
    main()
