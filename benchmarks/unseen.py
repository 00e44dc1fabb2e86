"""Volumes that nobody annotated: learned on slices of some, scored on others as a whole.

The peer is a random forest that learns from the same slices, with each volume
standardised by itself. `camera` and `depth` show the tested volumes as another camera or
another bit depth would. Rows that the results file has are not measured again.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import baselines
import numpy as np
import records
import volumes
from numpy.typing import NDArray
from volumes import Case

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
Image = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Set:
    """Volumes of one kind: some are learned from, the others are tested."""

    learned: tuple[str, ...]
    tested: tuple[str, ...]
    change: str = "none"
    """What happens to the grey values of the tested volumes."""
    parts: int = 1
    """Into how many volumes, across y, each of those that are learned from is cut."""


CHANGES: dict[str, Callable[[Image], Image]] = {
    "none": lambda grey: grey,
    "offset": lambda grey: grey.astype(np.float32) + 1700,
    "camera": lambda grey: grey.astype(np.float32) * 3 + 1700,
    "depth": lambda grey: grey.astype(np.uint16) * 257,
}


def _named(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


_NUCLEI = {
    "learned": _named("fl_ovule_nuclei", "n1135"),
    "tested": _named("fl_ovule_nuclei", "n1136"),
}
_EMBRYOS = {
    "learned": _named("fl_embryo_nuclei", "qc_8cell"),
    "tested": _named("fl_embryo_nuclei", "qc_16cell"),
}
SETS = {
    "mouse brains": Set(
        learned=_named("mr_mouse_brain", "m1", "m2"),
        tested=_named("mr_mouse_brain", "m3", "m4"),
    ),
    "hippocampi": Set(
        learned=_named("mr_hippocampus", "h001", "h003", "h004"),
        tested=_named("mr_hippocampus", "h006", "h007", "h008"),
    ),
    "ovule nuclei": Set(**_NUCLEI),
    "ovule nuclei, camera": Set(**_NUCLEI, change="camera"),
    "ovule nuclei, depth": Set(**_NUCLEI, change="depth"),
    "ovule nuclei, halves": Set(**_NUCLEI, parts=2),
    "embryo nuclei": Set(**_EMBRYOS),
    "embryo nuclei, offset": Set(**_EMBRYOS, change="offset"),
    "brain tumours": Set(
        learned=_named("mr_brats2013", "p1", "p2"),
        tested=_named("mr_brats2013", "p3"),
    ),
    # The next ones never chose a constant: the same kinds, the roles changed.
    "mouse brains, m1 and m2": Set(
        learned=_named("mr_mouse_brain", "m3", "m4"),
        tested=_named("mr_mouse_brain", "m1", "m2"),
    ),
    "hippocampi, others": Set(
        learned=_named("mr_hippocampus", "h007", "h011", "h014"),
        tested=_named("mr_hippocampus", "h001", "h003", "h004"),
    ),
    "ovule nuclei, n1135": Set(learned=_NUCLEI["tested"], tested=_NUCLEI["learned"]),
    "embryo nuclei, 8 cells": Set(
        learned=_EMBRYOS["tested"], tested=_EMBRYOS["learned"]
    ),
    "brain tumours, p1": Set(
        learned=_named("mr_brats2013", "p2", "p3"),
        tested=_named("mr_brats2013", "p1"),
    ),
    "brain tumours, p2": Set(
        learned=_named("mr_brats2013", "p1", "p3"),
        tested=_named("mr_brats2013", "p2"),
    ),
}


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        for name in args.sets:
            _measure(name, args)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument(
        "--steps", type=int, help="steps of the training, instead of minutes"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--option", dest="options", action="append", default=[], metavar="NAME=VALUE"
    )
    parser.add_argument(
        "--column", default="ours", help="what the table calls this run"
    )
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "unseen.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _measure(name: str, args: argparse.Namespace) -> None:
    """Append the rows of the forest and of a network for one set."""
    part = SETS[name]
    shared = {"set": name, **asdict(part), "slices": args.slices, "seed": args.seed}
    forest = shared | {"method": "forest"}
    ours = shared | {
        "method": args.column,
        **({"steps_at_most": args.steps} if args.steps else {"minutes": args.minutes}),
        "options": dict(pair.split("=", 1) for pair in args.options),
    }
    if not records.has(args.out, forest):
        _keep(args.out, forest, _by_forest(*_cases(part, args), args.seed))
    if not records.has(args.out, ours):
        _keep(args.out, ours, _by_network(*_cases(part, args), args))


def _keep(out: Path, key: Row, found: Row) -> None:
    print(key["set"], key["method"], f"{found['mean_iou']:.3f}", flush=True)
    records.append(out, key | found)


def _cases(part: Set, args: argparse.Namespace) -> tuple[list[Case], list[Case]]:
    learned = [
        piece
        for name in part.learned
        for piece in _pieces(_case(name, args), part.parts)
    ]
    tested = [_case(name, args) for name in part.tested]
    return learned, [_changed(case, CHANGES[part.change]) for case in tested]


def _case(name: str, args: argparse.Namespace) -> Case:
    return volumes.load(name, args.data, tuple(args.slices), 0.0)


def _pieces(case: Case, count: int) -> list[Case]:
    """Cut a volume with its annotation into volumes across y."""
    edges = np.linspace(0, case.truth.shape[1], count + 1).astype(int)
    return [
        Case(
            replace(case.volume, array=np.asarray(case.volume.array)[:, :, low:high]),
            case.truth[:, low:high],
            np.ascontiguousarray(case.annotation[:, low:high]),
        )
        for low, high in pairwise(edges)
    ]


def _changed(case: Case, change: Callable[[Image], Image]) -> Case:
    volume = replace(case.volume, array=change(np.asarray(case.volume.array)))
    return replace(case, volume=volume)


def _by_forest(learned: list[Case], tested: list[Case], seed: int) -> Row:
    """Keep the better of two variants, as the truth of each volume says."""
    found = []
    for case, variants in zip(
        tested, baselines.forest_of_others(learned, tested, seed), strict=True
    ):
        each = [evaluate(labels, case.truth)["mean_iou"] for labels in variants]
        found.append(max(each))
    return {"mean_iou": mean(found), "each": found}


def _by_network(
    learned: list[Case], tested: list[Case], args: argparse.Namespace
) -> Row:
    """Score the second use on the tested volumes, and the first between the slices."""
    pairs = [(case.volume, SparseLabels(case.annotation)) for case in learned]
    settings = TrainSettings(
        minutes=None if args.steps else args.minutes,
        steps=args.steps,
        seed=args.seed,
        options=dict(pair.split("=", 1) for pair in args.options),
    )
    model = create(pairs, settings)
    steps = 0
    for step in train(model, pairs, settings):
        steps = step.step
    others = [_score(model, case) for case in tested]
    own = [
        _score(model, case, labels)
        for case, (_, labels) in zip(learned, pairs, strict=True)
    ]
    return {
        "mean_iou": mean(others),
        "each": others,
        "with_slices": mean(own),
        "with_slices_each": own,
        "steps": steps,
        "held_out": model.history.get("held_out"),
        "other_volume": model.history.get("other_volume"),
    }


def _score(model: Model, case: Case, labels: SparseLabels | None = None) -> float:
    annotation = case.annotation if labels else None
    found = model.predict(case.volume, labels)
    return float(evaluate(found.labels, case.truth, annotation=annotation)["mean_iou"])


def table(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: mean IoU of the tested volumes, by set and method."""
    cells: dict[tuple[str, str], float] = {}
    for row in rows:
        cells[row["set"], _column(row)] = row["mean_iou"]
    columns = list(dict.fromkeys(column for _, column in cells))
    sets = list(dict.fromkeys(name for name, _ in cells))
    head = ["set", *columns]
    lines = [[name, *(_cell(cells.get((name, c))) for c in columns)] for name in sets]
    return [_line(head), _line(["---"] * len(head)), *map(_line, lines)]


def _column(row: Row) -> str:
    name = row["method"] + (f", seed {seed}" if (seed := row.get("seed")) else "")
    if row["method"] == "forest":
        return name
    if "steps_at_most" in row:
        return f"{name}, {row['steps_at_most']} steps"
    return f"{name}, {row['minutes']:g} min"


def _cell(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
