"""The ways in which people annotate: parallel slices, one slice an axis, strokes.

The same methods and the same scores as `quality.py`, for several layouts of the
annotation, with how far sparseseg is from the best other method. Rows that the results
file has are not measured again.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

import records
import volumes
from measuring import METHODS, PEERS, Row, Task, Training, measure
from quality import add_training_arguments

STROKES = "strokes"
_LAYOUTS = ("1,0,0", "3,0,0", "5,0,0", "1,1,1", "2,2,1", STROKES)
_STROKED = (3, 1, 1)
"""On so many slices across z, y, x are the strokes."""
_BEHIND = 0.02


def main() -> None:
    args = _parser().parse_args()
    if not args.table:
        measure(tasks(args), args.out)
    rows = records.rows(args.out)
    print("\n".join([*table(rows), *chosen(rows)]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument(
        "--layouts",
        nargs="+",
        default=list(_LAYOUTS),
        metavar="Z,Y,X",
        help=f"slices across z, y, x, or {STROKES!r}",
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add_training_arguments(parser, minutes=[1.0])
    parser.add_argument(
        "--answers", action="store_true", help="score all answers, not only the best"
    )
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "layouts.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def tasks(args: argparse.Namespace) -> list[Task]:
    """Return layout by layout, volume by volume, what is to be measured."""
    training = Training(
        recipe=args.recipe,
        minutes=tuple(sorted(args.minutes)),
        device=args.device,
        seed=args.seed,
        clock=args.clock,
        answers=args.answers,
    )
    return [
        Task(
            volume=name,
            data=args.data,
            slices=_STROKED if layout == STROKES else _counts(layout),
            shift=0.0,
            method=method,
            training=training,
            strokes=layout == STROKES,
        )
        for layout in args.layouts
        for name in volumes.chosen(args)
        for method in args.methods
    ]


def _counts(layout: str) -> tuple[int, int, int]:
    z, y, x = (int(count) for count in layout.split(","))
    return z, y, x


def table(rows: Iterable[Row]) -> list[str]:
    """Return Markdown: mean IoU by layout and volume, worst case first."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        layout = STROKES if row.get("strokes") else ",".join(map(str, row["slices"]))
        scores = cells.setdefault((layout, row["volume"]), {})
        scores.setdefault(row["method"], []).append(row["mean_iou"])
    means = {
        case: {method: mean(each) for method, each in by_method.items()}
        for case, by_method in cells.items()
    }
    ranked = sorted(means, key=lambda case: ahead(means[case]) or 0.0)
    methods = list(dict.fromkeys([*METHODS, *(m for c in means.values() for m in c)]))
    head = ["slices z,y,x", "volume", *methods, "ahead of the best other"]
    lines = [head, ["---"] * len(head)]
    for case in ranked:
        told = [_number(means[case].get(method)) for method in methods]
        lines.append([*case, *told, _number(ahead(means[case]), "+.3f")])
    known = [lead for case in ranked if (lead := ahead(means[case])) is not None]
    found = [f"| {' | '.join(line)} |" for line in lines]
    return [*found, "", _summary(known)] if known else found


def chosen(rows: Iterable[Row]) -> list[str]:
    """Say how far the answer that is shown is from the best of all, as the truth says."""
    behind = [
        max(r["answers"].values()) - r["mean_iou"] for r in rows if "answers" in r
    ]
    if not behind:
        return []
    return [
        f"the answer that is shown has {mean(behind):.3f} less than the best answer, on "
        f"average over {len(behind)} cases, and {max(behind):.3f} at most"
    ]


def ahead(scores: dict[str, float]) -> float | None:
    """Return by how much sparseseg is ahead of the best other method."""
    others = [scores[method] for method in PEERS if method in scores]
    return scores["ours"] - max(others) if "ours" in scores and others else None


def _summary(known: list[float]) -> str:
    behind = sum(lead < -_BEHIND for lead in known)
    return (
        f"{mean(known):+.3f} on average over {len(known)} cases; behind by more than "
        f"{_BEHIND} on {behind}"
    )


def _number(value: float | None, form: str = ".3f") -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
