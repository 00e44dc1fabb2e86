"""How well sparse annotations are filled in: sparseseg, classical methods, minutes.

Whole slices of a dense truth are the annotation, at equal distances; the other voxels
are scored. Shifts move all slices by a share of their distance. Rows that the results
file has are not measured again.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import records
import volumes
from measuring import CLOCKS, METHODS, Row, Task, Training, measure

_ALONE = (1.0, 3.0)


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        measure(tasks(args), args.out)
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument(
        "--slices", nargs=3, type=int, default=[3, 3, 3], metavar=("Z", "Y", "X")
    )
    parser.add_argument("--shifts", nargs="+", type=float, default=[0.0, 0.15, -0.15])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add_training_arguments(parser, minutes=[1.0, 3.0, 10.0])
    parser.add_argument(
        "--separate",
        action=argparse.BooleanOptionalAction,
        help="one training run for each of the minutes, because the learning rate "
        "follows the budget (default: for 1 and 3)",
    )
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "quality.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def add_training_arguments(
    parser: argparse.ArgumentParser, *, minutes: Sequence[float]
) -> None:
    """Add what a training run takes."""
    parser.add_argument("--minutes", nargs="+", type=float, default=list(minutes))
    parser.add_argument("--recipe", default="three-view")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="what a minute is of; with 'cpu', other work on the machine does not count",
    )


def tasks(args: argparse.Namespace) -> list[Task]:
    """Return volume by volume, shift by shift, what is to be measured."""
    return [
        Task(
            volume=name,
            data=args.data,
            slices=tuple(args.slices),
            shift=shift,
            method=method,
            training=Training(
                recipe=args.recipe,
                minutes=minutes,
                device=args.device,
                seed=args.seed,
                clock=args.clock,
            ),
        )
        for name in volumes.chosen(args)
        for shift in args.shifts
        for method in args.methods
        for minutes in _runs(method, args)
    ]


def _runs(method: str, args: argparse.Namespace) -> list[tuple[float, ...]]:
    every = sorted(args.minutes)
    return runs(every, args.separate) if method == "ours" else [tuple(every)]


def runs(minutes: Sequence[float], separate: bool | None) -> list[tuple[float, ...]]:
    """Share minutes out to training runs; the last of a run is its budget."""
    if separate is False:
        return [tuple(minutes)]
    alone = [m for m in minutes if separate or m in _ALONE]
    together = tuple(m for m in minutes if m not in alone)
    return [(m,) for m in alone] + ([together] if together else [])


def table(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: the mean of mean IoU over shifts, and its least and largest."""
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        cells[f"{row['volume']} {_joined(row['slices'])}", _column(row)].append(
            row["mean_iou"]
        )
    columns = list(dict.fromkeys(column for _, column in cells))
    lines = [
        [volume, *(_cell(cells.get((volume, column))) for column in columns)]
        for volume in dict.fromkeys(volume for volume, _ in cells)
    ]
    head = ["volume, slices z y x", *columns]
    return [_line(head), _line(["---"] * len(head)), *map(_line, lines)]


def _column(row: Row) -> str:
    if row["method"] != "ours":
        return str(row["method"])
    shared = row["minutes"] < row["budget_minutes"]
    of = f" of {row['budget_minutes']:g}" if shared else ""
    options = f" {row['options']}" if row["options"] else ""
    return f"{row['recipe']}{options}, {row['minutes']:g}{of} min"


def _cell(scores: Sequence[float] | None) -> str:
    if not scores:
        return ""
    spread = f" ({min(scores):.3f}-{max(scores):.3f})" if len(scores) > 1 else ""
    return f"{mean(scores):.3f}{spread}"


def _joined(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
