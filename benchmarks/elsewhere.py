"""Whether the estimated Dice of a volume that nobody annotated is true.

A model learns from one or two volumes of a kind, each with three slices an axis, and
predicts the others of this kind without slices. What it says of itself stands beside the
truth. Results are written case by case; a later call goes on where it stopped.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.elsewhere import Elsewhere, estimate_elsewhere
from sparseseg.evaluation.estimate import Likely
from sparseseg.starting import fit

_SLICES = (3, 3, 3)
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--learned", type=int, default=1, help="volumes to learn from")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--most", type=int, default=3, help="volumes to predict")
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "elsewhere.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    for learned, others in [] if args.table else _cases(args):
        key = {"learned": learned, "steps": args.steps}
        if not records.has(args.out, key):
            for row in _measured(learned, others, args):
                print(row["volume"], row["estimate"], row["true"], flush=True)
                records.append(args.out, key | row)
    print("\n".join(summary(records.rows(args.out))))


def _cases(args: argparse.Namespace) -> Iterator[tuple[list[str], list[str]]]:
    """Yield volumes to learn from, and others of the same kind."""
    kinds: dict[str, list[str]] = {}
    for name in volumes.chosen(args):
        kinds.setdefault(name.partition("/")[0], []).append(name)
    for names in kinds.values():
        for first in range(0, len(names) - args.learned, args.learned):
            learned = names[first : first + args.learned]
            others = [name for name in names if name not in learned]
            yield learned, others[: args.most]


def _measured(
    learned: Sequence[str], others: Sequence[str], args: argparse.Namespace
) -> Iterator[Row]:
    cases = [volumes.load(name, args.data, _SLICES, 0.0) for name in learned]
    pairs = [(case.volume, SparseLabels(case.annotation)) for case in cases]
    model = fit(pairs, steps=args.steps)
    for name in others:
        yield {"volume": name, **_predicted(model, name, args)}


def _predicted(model: Model, name: str, args: argparse.Namespace) -> Row:
    case = volumes.load(name, args.data, _SLICES, 0.0)
    found = finished(segment(model, case.volume, Job()))
    scores = evaluate(found.labels, case.truth)
    return {
        "estimate": found.estimate.to_json(),
        "true": float(scores["mean_dice"]),
        "true_dice": {str(n): dice for n, dice in scores["dice"].items() if n},
        "expected": {str(n): dice for n, dice in found.expected.items()},
        "elsewhere": model.history.get("elsewhere"),
        "other_volume": model.history.get("other_volume"),
        "is_unlike": bool(model.unlike(case.volume) or found.doubt),
    }


def summary(rows: Sequence[Row]) -> list[str]:
    """Return how far off today's estimates of all rows are, as Markdown."""
    lines = [
        "| learned from | volumes | bias | mean error | inside | half width |",
        "|---|---|---|---|---|---|",
    ]
    for count in sorted({len(row["learned"]) for row in rows}):
        chosen = [row for row in rows if len(row["learned"]) == count]
        told = [(_told(row), float(row["true"])) for row in chosen]
        errors = np.array([one.dice - true for one, true in told])
        inside = np.mean([one.low <= true <= one.high for one, true in told])
        half = np.median([(one.high - one.low) / 2 for one, _ in told])
        lines.append(
            f"| {count} | {len(chosen)} | {errors.mean():+.3f} | "
            f"{np.abs(errors).mean():.3f} | {inside:.0%} | {half:.2f} |"
        )
    return lines


def _told(row: Row) -> Likely:
    data = {"volumes": len(row["learned"]), **row["elsewhere"]}
    expected = {int(n): dice for n, dice in row["expected"].items()}
    mean = estimate_elsewhere(Elsewhere.from_json(data), expected).mean
    assert mean is not None
    return mean


if __name__ == "__main__":
    main()
