"""How far each published system gets, and after how long: its score while it learns.

Each recipe trains on one annotated volume without a budget, until the score of the
held-out slice has not risen for a number of minutes of the processor. With --tested it
trains on all volumes together, and at the end those are predicted that nobody annotated.
Every scoring is a row. A recipe whose last row is there is not trained again.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import records
import volumes
from volumes import Case

from sparseseg import recipes
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        names = volumes.chosen(args)
        for learned in [names] if args.tested else [[name] for name in names]:
            for recipe in args.recipes:
                _measure(learned, recipe, args)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument(
        "--tested", nargs="+", default=[], metavar="NAME/ID", help="volumes to predict"
    )
    published = [name for name in recipes.names() if name != "three-view"]
    parser.add_argument("--recipes", nargs="+", default=published)
    parser.add_argument(
        "--option", dest="options", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument(
        "--patience", type=float, default=20.0, help="minutes without a better score"
    )
    parser.add_argument(
        "--most", type=float, default=240.0, help="minutes for a recipe at most"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--change", default="", help="what the table calls a run of a changed version"
    )
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "published.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


@dataclass
class _Patience:
    """When the best score was, in minutes of the processor."""

    minutes: float
    best: float = -1.0
    at: float = 0.0

    def ends(self, score: float, now: float) -> bool:
        """Take in a score, and tell whether it has not risen for long."""
        if score > self.best:
            self.best, self.at = score, now
        return now - self.at > self.minutes


def _measure(names: list[str], recipe: str, args: argparse.Namespace) -> None:
    """Train one recipe on volumes, and append a row for each score."""
    key: Row = {
        "volume": " + ".join(names),
        "recipe": recipe,
        "options": sorted(args.options),
        "change": args.change,
        "slices": args.slices,
        "seed": args.seed,
    }
    if records.has(args.out, key | {"last": True}):
        return
    learned = [_case(name, args) for name in names]
    pairs = [(case.volume, SparseLabels(case.annotation)) for case in learned]
    settings = TrainSettings(
        recipe=recipe,
        minutes=None,
        device=args.device,
        seed=args.seed,
        options=dict(pair.split("=", 1) for pair in args.options),
    )
    model = create(pairs, settings)
    row: Row = {}
    for row in _curve(model, pairs, settings, args):
        print(key["volume"], recipe, row, flush=True)
        records.append(args.out, key | row | {"last": False})
    last = {"last": True, "mean_iou": _between(model, learned)}
    if args.tested:
        last["unseen"] = _beyond(model, [_case(name, args) for name in args.tested])
    print(key["volume"], recipe, last, flush=True)
    records.append(args.out, key | row | last)


def _case(name: str, args: argparse.Namespace) -> Case:
    return volumes.load(name, args.data, tuple(args.slices), 0.0)


def _curve(
    model: Model,
    pairs: list[tuple[Volume, SparseLabels]],
    settings: TrainSettings,
    args: argparse.Namespace,
) -> Iterator[Row]:
    """Yield a row at each score of the held-out slices, until it rises no more."""
    begin, patience = time.process_time(), _Patience(args.patience)
    losses: list[float] = []
    for step in train(model, pairs, settings, seconds=time.process_time):
        losses.append(step.loss)
        now = (time.process_time() - begin) / 60
        if step.score is not None and "network" in step.score.measures:
            score = float(step.score.measures["network"]["mean_iou"])
            yield {
                "step": step.step,
                "minutes": round(now, 2),
                "held_out": score,
                "loss": float(np.mean(losses)),
                "parameters": model.parameters,
            }
            losses = []
            if patience.ends(score, now):
                return
        if now > args.most:
            return


def _between(model: Model, learned: list[Case]) -> float:
    """Return the mean IoU of what was not annotated, on average over the volumes."""
    found = []
    for case in learned:
        labels = model.predict(case.volume, SparseLabels(case.annotation)).labels
        found.append(evaluate(labels, case.truth, annotation=case.annotation))
    return mean(float(one["mean_iou"]) for one in found)


def _beyond(model: Model, tested: list[Case]) -> float:
    """Return the mean IoU of volumes that nobody annotated, on average."""
    found = (evaluate(model.predict(c.volume).labels, c.truth) for c in tested)
    return mean(float(one["mean_iou"]) for one in found)


def table(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: of each run, the scores after 5, 15, 30 and 60 minutes, and the end."""
    runs: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        words = " ".join([row["recipe"], *row["options"], row["change"]]).strip()
        runs.setdefault((row["volume"], words), []).append(row)
    after = (5, 15, 30, 60)
    told = ["best", "steps", "whole", "unseen"]
    head = ["volume", "recipe", *(f"{m} min" for m in after), *told]
    lines = [head, ["---"] * len(head)]
    for (volume, words), found in runs.items():
        cells = [_until(found, minutes) for minutes in after]
        best = max(row["held_out"] for row in found)
        at = next(row["minutes"] for row in found if row["held_out"] == best)
        known = [found[-1].get(name) for name in ("mean_iou", "unseen")]
        end = [f"{best:.3f} ({at:.0f} min)", str(found[-1]["step"])]
        end += ["" if score is None else f"{score:.3f}" for score in known]
        lines.append([volume, words, *cells, *end])
    return [f"| {' | '.join(line)} |" for line in lines]


def _until(rows: list[Row], minutes: float) -> str:
    """Return the last score by then, or nothing if the run had ended before."""
    known = [row["held_out"] for row in rows if row["minutes"] <= minutes]
    over = rows[-1]["minutes"] < minutes
    return f"{known[-1]:.3f}" if known and not over else ""


if __name__ == "__main__":
    main()
