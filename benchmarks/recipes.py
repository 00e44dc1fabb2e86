"""The recipes side by side: the same annotation and the same minutes for each.

On one volume, the voxels between the annotated slices are scored. With --test, models
are trained on the sparse annotations of --volumes and score those other volumes whole.
A recipe that trains in stages is scored after each of them.
"""

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from numpy.typing import NDArray
from quality import table

from sparseseg import recipes
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.recipes import Case
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        for recipe in args.recipes:
            _measure(recipe, args)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--test", nargs="+", default=[], metavar="NAME/ID")
    parser.add_argument("--recipes", nargs="+", default=list(recipes.names()))
    parser.add_argument(
        "--option", dest="options", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--depths", action="store_true", help="score each depth too")
    parser.add_argument("--keep", type=Path, help="a folder to write predictions to")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "recipes.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _measure(recipe: str, args: argparse.Namespace) -> None:
    """Train one recipe, and append a row for each volume and depth that is scored."""
    options = dict(pair.split("=", 1) for pair in args.options)
    learned = volumes.chosen(args)
    key = {
        "volume": "+".join(args.test or learned),
        "learned_from": learned,
        "slices": args.slices,
        "shift": 0.0,
        "method": _method(recipe, options),
        "minutes": args.minutes,
        "seed": args.seed,
    }
    if records.has(args.out, key):
        return
    cases = [volumes.load(n, args.data, tuple(args.slices), 0.0) for n in learned]
    pairs = [(case.volume, SparseLabels(case.annotation)) for case in cases]
    settings = TrainSettings(
        recipe=recipe,
        minutes=args.minutes,
        device=args.device,
        seed=args.seed,
        options=options,
    )
    model = create(pairs, settings)
    tested = [volumes.load(n, args.data, tuple(args.slices), 0.0) for n in args.test]
    for name, scored, steps in _trained(model, pairs, settings, depths=args.depths):
        row = key | {"method": " ".join([_method(recipe, options), *name])}
        row |= _scored(scored, tested or cases, row["method"], args)
        facts = {"steps": steps, "parameters": scored.parameters}
        records.append(args.out, row | facts | {"device": str(scored.device)})
        print(row["volume"], row["method"], f"{row['mean_iou']:.3f}", flush=True)


def _trained(
    model: Model, pairs: Sequence[Case], settings: TrainSettings, *, depths: bool
) -> Iterator[tuple[list[str], Model, int]]:
    """Yield what is to be scored, and after how many steps; all of it comes last."""
    stages = model.recipe.stages(model.plan)
    ends = list(itertools.accumulate(stage.share for stage in stages))[:-1]
    over, steps = 0, 0
    for step in train(model, pairs, settings):
        steps = step.step
        if over < len(ends) and step.done is not None and step.done >= ends[over]:
            yield [f"after {stages[over].name}"], model, steps
            over += 1
    yield [], model, steps
    for depth in model.recipe.depths(model.plan) if depths else ():
        yield [f"L{depth}"], model.at_depth(depth), steps


def _method(recipe: str, options: dict[str, str]) -> str:
    return " ".join([recipe, *(f"{name}={value}" for name, value in options.items())])


def _scored(
    model: Model, cases: Sequence[volumes.Case], method: str, args: argparse.Namespace
) -> Row:
    """Score volumes between their slices, or, if none was learned from, whole."""
    begin, scores = time.perf_counter(), []
    for case in cases:
        out = Output(np.zeros(case.volume.shape, np.uint8))
        labels = None if args.test else SparseLabels(case.annotation)
        for _ in predict(model, case.volume, out, labels=labels):
            pass
        annotation = None if args.test else case.annotation
        scores.append(evaluate(out.labels, case.truth, annotation=annotation))
        if args.keep:
            _keep(args.keep / f"{case.volume.name} {method}", out.labels)
    means = {
        name: float(np.mean([score[name] for score in scores]))
        for name in ("mean_iou", "mean_dice")
    }
    each = [score["iou"] for score in scores]
    return means | {"iou": each, "prediction_seconds": time.perf_counter() - begin}


def _keep(stem: Path, labels: NDArray[np.uint8]) -> None:
    path = Path(f"{stem}.npz".replace(" ", "_"))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, labels=labels)


if __name__ == "__main__":
    main()
