"""Whether a remedy against drift between the slices helps: more certainty, or own labels.

All ways train for so many steps on the same slices. *Entropy* adds the entropy of the
unlabelled pixels of a crop to the loss; a whole slice has none. *Own labels* predicts after half of the steps, and from
then on also learns from what the model was sure of on the six slices that close the largest
gaps. The score is the mean IoU of all voxels that a person did not annotate.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from measuring import CLOCKS

from sparseseg.classes import BACKGROUND
from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import well_labelled
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.gain import CoarseGrid, best_planes
from sparseseg.evaluation.suggesting import sides_of
from sparseseg.progress import Method
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

WAYS = ("nothing", "entropy", "own labels")
ANSWERS: tuple[Method, ...] = ("network", "mixed")
_ENTROPY = 0.1
_PLANES, _SURE = 6, 0.2  # of the largest entropy


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
    for step in train(model, [(case.volume, labels)], settings, seconds=CLOCKS["cpu"]):
        if key["way"] == "own labels" and step.step == key["steps"] // 2:
            _label(case, model, labels)
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


def _label(case: volumes.Case, model: Model, labels: SparseLabels) -> None:
    """Paint what a model is sure of on the slices that close the largest gaps."""
    job = Job(extras=frozenset({"uncertainty"}))
    found = finished(segment(model, case.volume, job, labels=labels))
    doubt = found.uncertainty
    assert doubt is not None
    sure = doubt < _SURE * float(doubt.max())
    grid = CoarseGrid.of(case.volume.shape, sides_of(case.volume.spacing))
    there = well_labelled(labels.slices(), case.volume.shape)
    for axis, index in best_planes(grid, None, there, _PLANES):
        at = (slice(None),) * axis + (index,)
        free = (case.annotation[at] == 0) & sure[at]
        told = np.where(found.labels[at] == 0, BACKGROUND, found.labels[at])
        case.annotation[at] = np.where(free, told, case.annotation[at])


def _scores(
    case: volumes.Case, model: Model, labels: SparseLabels
) -> Iterator[tuple[str, float]]:
    for answer in ANSWERS:
        found = finished(segment(model, case.volume, Job(method=answer), labels=labels))
        scores = evaluate(found.labels, case.truth, annotation=case.annotation)
        yield answer, round(float(scores["mean_iou"]), 4)


if __name__ == "__main__":
    main()
