"""How fast a training is with one volume and with two: preparation, steps, previews.

    python benchmarks/several.py [--volumes NAME] [--steps 60]

The second volume is the first one mirrored, so that both cost the same. A preview is one
slice of the first volume, predicted after the last step.
"""

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import records
import volumes

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.training import train
from sparseseg.recipes import Case, Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

_SLICES = (3, 3, 3)


def main() -> None:
    args = _parser().parse_args()
    for name in volumes.chosen(args):
        case = volumes.load(name, args.data, _SLICES, 0.0)
        one = (case.volume, SparseLabels(case.annotation))
        for cases in ([one], [one, _mirrored(one)]):
            row = {"volume": name, "volumes": len(cases), **_measured(cases, args)}
            records.append(args.out, row)
            print(json.dumps(row, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--recipe", default="three-view")
    parser.add_argument("--steps", type=int, default=60)
    out = Path(__file__).with_name("results") / "several.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _mirrored(case: Case) -> Case:
    volume, labels = case
    array = volume.array[..., ::-1].copy()
    return replace(volume, array=array), SparseLabels(labels.array[..., ::-1].copy())


def _measured(cases: list[Case], args: argparse.Namespace) -> dict[str, Any]:
    settings = TrainSettings(recipe=args.recipe, steps=args.steps, held_out=False)
    begin = time.perf_counter()
    model = create(cases, settings)
    ends = []
    for _ in train(model, cases, settings):
        ends.append(time.perf_counter())
    volume, labels = cases[0]
    scene = Scene.of(model.plan, volume, labels, device=model.device)
    middle = volume.shape[0] // 2
    plane = Box((middle, 0, 0), (middle + 1, *volume.shape[1:]))
    before = time.perf_counter()
    network_probabilities(model, scene, plane)
    steps = [b - a for a, b in itertools.pairwise(ends)]
    return {
        "seconds_to_first_step": round(ends[0] - begin, 2),
        "median_step_seconds": round(median(steps), 4),
        "preview_seconds": round(time.perf_counter() - before, 3),
    }


if __name__ == "__main__":
    main()
