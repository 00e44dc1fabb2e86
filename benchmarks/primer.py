"""What a start from made-up volumes is worth: `unet3d-guided` from the primer and fresh.

Both take the same steps on the same annotated volume. After some of them the answer that
follows the slices and the one without guidance are scored on what is not annotated,
beside interpolation from the slices. Step 0 is the network as it starts.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from safetensors.torch import load_file
from volumes import Case

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.progress import Method
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
RECIPE = "unet3d-guided"


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        for name in volumes.chosen(args):
            for start in ("fresh", "primer"):
                _measure(name, start, args)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("weights", type=Path, help="primer.safetensors of training/")
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument("--steps", nargs="+", type=int, default=[0, 100, 300])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "primer.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _measure(name: str, start: str, args: argparse.Namespace) -> None:
    """Append a row for each number of steps that is not there yet."""
    key: Row = {"volume": name, "start": start, "slices": args.slices}
    key |= {"seed": args.seed, "most": max(args.steps)}
    if all(records.has(args.out, key | {"steps": n}) for n in args.steps):
        return
    case = volumes.load(name, args.data, tuple(args.slices), 0.0)
    pairs = [(case.volume, SparseLabels(case.annotation))]
    settings = TrainSettings(
        recipe=RECIPE, minutes=None, steps=max(args.steps), seed=args.seed
    )
    model = create(pairs, settings)
    if start == "primer":
        model.network.load_state_dict(load_file(args.weights), strict=False)
    for steps, seconds in _taken(model, pairs, settings, args.steps):
        row = {"steps": steps, "cpu_seconds": seconds} | _scores(model, case)
        print(name, start, row, flush=True)
        records.append(args.out, key | row)


def _taken(
    model: Model, pairs: Any, settings: TrainSettings, wanted: list[int]
) -> Iterator[tuple[int, int]]:
    """Yield each of these numbers of steps when they are taken, with seconds of it."""
    begin = time.process_time()
    if 0 in wanted:
        yield 0, 0
    for step in train(model, pairs, settings):
        if step.step in wanted:
            yield step.step, round(time.process_time() - begin)


def _scores(model: Model, case: Case) -> Row:
    methods: tuple[Method, ...] = ("network", "unguided", "interpolation")
    return {method: _score(model, case, method) for method in methods}


def _score(model: Model, case: Case, method: Method) -> float:
    out = Output(np.zeros(case.volume.shape, np.uint8))
    labels = SparseLabels(case.annotation)
    for _ in predict(model, case.volume, out, labels=labels, method=method):
        pass
    found = evaluate(out.labels, case.truth, annotation=case.annotation)
    return round(float(found["mean_iou"]), 4)


def table(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: scores with slices / without, by volume, start and steps."""
    rows = list(rows)
    counts = sorted({row["steps"] for row in rows})
    head = ["volume", "interpolation", "start", *(f"{n} steps" for n in counts)]
    cells: dict[tuple[str, float, str], dict[int, str]] = {}
    for row in rows:
        line = cells.setdefault((row["volume"], row["interpolation"], row["start"]), {})
        line[row["steps"]] = f"{row['network']:.3f} / {row['unguided']:.3f}"
    lines = [head, ["---"] * len(head)]
    for (volume, between, start), found in cells.items():
        told = [found.get(n, "") for n in counts]
        lines.append([volume, f"{between:.3f}", start, *told])
    return [f"| {' | '.join(line)} |" for line in lines]


if __name__ == "__main__":
    main()
