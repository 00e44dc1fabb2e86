"""Whether the estimated Dice between the slices is true, and its interval holds the truth.

For each volume, layout and seed a model is trained and predicts the volume. What it says of
itself stands beside the truth, and beside the Dice on the held-out slice and on the
annotated slices of the same run. `--fit` computes the width that holds so many truths.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from measuring import CLOCKS

from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import well_labelled
from sparseseg.engine import trainee
from sparseseg.engine.mixing import by_network
from sparseseg.engine.model import Model
from sparseseg.engine.score import gathering
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.engine.training import train
from sparseseg.evaluation import estimate as estimates
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.estimate import DiceEstimate, Evidence
from sparseseg.evaluation.gain import CoarseGrid, Plane, best_planes
from sparseseg.evaluation.live import FEWEST, with_slices
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.evaluation.suggesting import Doubts, sides_of
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
COVERAGE = 0.85
_NEXT = 6  # slices, of each way to choose them


def main() -> None:
    args = _parser().parse_args()
    time.perf_counter = CLOCKS[
        args.clock
    ]  # of budgets, and of what limits the estimate
    until = time.monotonic() + 60 * args.stop_after
    for seed in args.seeds:
        for layout in args.layouts:
            for name in volumes.chosen(args):
                key = _key(name, layout, seed, args)
                if args.table or records.has(args.out, key):
                    continue
                if time.monotonic() > until:
                    return
                row = _measured(key, args)
                print(key, f"{row['told']} {row['true']:.3f}", flush=True)
                records.append(args.out, key | row)
    rows = [row | _told_now(row) for row in records.rows(args.out)]
    rows = [row for row in rows if row["told"] is not None]
    tables = summary(rows), live_summary(rows), alone_summary(rows)
    print("\n\n".join("\n".join(table) for table in tables))
    if args.fit:
        print(f"factor of the width for {COVERAGE:.0%}: {fitted_width(rows):.2f}")
        share = coverage_elsewhere(rows)
        print(f"inside, with a width fitted to the other volumes: {share:.0%}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument(
        "--layouts", nargs="+", type=_layout, default=["2,2,2", "3,3,3", "5,5,5"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument(
        "--strokes", action="store_true", help="a few strokes on each slice, not whole"
    )
    parser.add_argument("--steps", type=int, default=150, help="of each training")
    parser.add_argument("--minutes", type=float, help="of each training, for --steps")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="what a minute is of; with 'cpu', other work on the machine does not count",
    )
    parser.add_argument("--stop-after", type=float, default=1e9, metavar="MINUTES")
    parser.add_argument("--table", action="store_true", help="print the results only")
    parser.add_argument("--fit", action="store_true", help="compute the width")
    out = Path(__file__).with_name("results") / "honesty.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _layout(words: str) -> tuple[int, ...]:
    return tuple(map(int, words.split(",")))


def _key(
    name: str, layout: tuple[int, ...] | str, seed: int, args: argparse.Namespace
) -> Row:
    counts = _layout(layout) if isinstance(layout, str) else layout
    steps = None if args.minutes else args.steps
    key = {
        "volume": name,
        "slices": list(counts),
        "seed": seed,
        "steps": steps,
        "minutes": args.minutes,
    }
    key |= {"strokes": True} if args.strokes else {}
    return key | ({} if args.clock == "wall" else {"clock": args.clock})


def _measured(key: Row, args: argparse.Namespace) -> Row:
    """Train, predict, and compare with the truth; the seed moves the slices as well."""
    case = _case(key, args)
    labels = SparseLabels(case.annotation)
    settings = TrainSettings(
        steps=key["steps"], minutes=key["minutes"], seed=key["seed"]
    )
    model = create([(case.volume, labels)], settings)
    clock = CLOCKS[args.clock]
    spent = _Spent(clock)
    begin = clock()
    for step in train(model, [(case.volume, labels)], settings, seconds=clock):
        steps = step.step
    trained = clock() - begin
    job = Job(extras=frozenset({"uncertainty"}))
    found = finished(segment(model, case.volume, job, labels=labels))
    told = found.estimate.to_json()
    scores = evaluate(found.labels, case.truth, annotation=case.annotation)
    return {
        **_compared(told, scores["mean_dice"]),
        "method": found.method,
        "estimate": told,
        "reason": found.estimate.reason,
        "true_dice": {str(n): d for n, d in scores["dice"].items() if n},
        "held_out": _held_out(model, found),
        "on_slices": _on_slices(found, case),
        "next": _next(found, case, labels, key["seed"]),
        "expected": {str(n): d for n, d in found.expected.items()},
        "evidence": model.history.get("between_slices"),
        "trained_steps": steps,
        "training_seconds": round(trained, 1),
        "estimate_seconds": round(spent.seconds, 1),
    }


def _case(key: Row, args: argparse.Namespace) -> volumes.Case:
    z, y, x = key["slices"]
    if key.get("strokes"):
        return volumes.load_with_strokes(
            key["volume"], args.data, (z, y, x), key["seed"]
        )
    return volumes.load(key["volume"], args.data, (z, y, x), 0.2 * key["seed"])


class _Spent:
    """The seconds that estimates take within a training."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.seconds = 0.0
        own = gathering.gather

        def timed(*arguments: Any, **options: Any) -> Any:
            begin = now()
            found = yield from own(*arguments, **options)
            self.seconds += now() - begin
            return found

        trainee.gather = timed


def _compared(told: Row | None, true: float) -> Row:
    if told is None:
        return {"told": None, "true": true}
    return {
        "told": told["mean_dice"],
        "low": told["low"],
        "high": told["high"],
        "true": true,
        "error": told["mean_dice"] - true,
        "inside": told["low"] <= true <= told["high"],
    }


def _told_now(row: Row) -> Row:
    """Return what today's estimate says of the evidence of a row."""
    if row["evidence"] is None:
        return _compared(None, row["true"])
    return _compared(_estimate(row).to_json(), row["true"])


def _estimate(row: Row) -> DiceEstimate:
    known = row["evidence"]
    if "by_network" not in known:  # as in rows of earlier versions
        known = {**known, "by_network": by_network([row["method"]])}
    evidence = Evidence.from_json(known)
    expected = {int(n): dice for n, dice in row["expected"].items()}
    return estimates.estimate(evidence, expected)


def _held_out(model: Model, found: Segmentation) -> float | None:
    """Return the plain Dice of the held-out slice, of the method that predicts."""
    score = model.history.get("held_out") or {}
    measures = score.get(found.method)
    return None if measures is None else float(measures["mean_dice"])


def _on_slices(found: Segmentation, case: volumes.Case) -> float:
    """Return the Dice on the annotated voxels themselves."""
    there = case.annotation > 0
    flat = (1, 1, -1)
    pair = found.labels[there].reshape(flat), case.truth[there].reshape(flat)
    return float(evaluate(*pair)["mean_dice"])


def _next(
    found: Segmentation, case: volumes.Case, labels: SparseLabels, seed: int
) -> Row:
    """Return what the next slices say once they are annotated, by how they were chosen.

    Of each, its voxels by class: right, predicted and true.
    """
    assert found.uncertainty is not None
    shape = case.volume.shape
    grid = CoarseGrid.of(shape, sides_of(case.volume.spacing))
    known = well_labelled(labels.slices(), shape)
    doubts = Doubts.of(
        grid,
        prediction=found.labels,
        uncertainty=found.uncertainty,
        annotation=case.annotation,
    )
    free = [(a, n) for a in range(3) for n in range(shape[a]) if (a, n) not in known]
    drawn = np.random.default_rng(seed).permutation(len(free))[:_NEXT]
    chosen = {
        "suggested": best_planes(
            grid, None if doubts is None else doubts.joined, known, _NEXT
        ),
        "gaps": best_planes(grid, None, known, _NEXT),
        "random": [free[place] for place in drawn],
    }
    return {
        how: [_counted(found, case, plane) for plane in planes]
        for how, planes in chosen.items()
    }


def _counted(found: Segmentation, case: volumes.Case, plane: Plane) -> Row:
    axis, index = plane
    told, truth, known = (
        np.take(array, index, axis)
        for array in (found.labels, case.truth, case.annotation)
    )
    free = known == 0
    numbers = [int(n) for n in np.unique(case.truth) if n]
    return {
        "plane": list(plane),
        "counts": {
            str(n): [
                int((free & (told == n) & (truth == n)).sum()),
                int((free & (told == n)).sum()),
                int((free & (truth == n)).sum()),
            ]
            for n in numbers
        },
    }


def summary(rows: Sequence[Row]) -> list[str]:
    """Return how far off each of the three numbers is, as Markdown."""
    lines = ["| told by | cases | bias | mean error | within 0.03 |", _RULE]
    for name, kind in _KINDS.items():
        pairs = [(r[kind], r["true"]) for r in rows if r[kind] is not None]
        errors = np.array([told - true for told, true in pairs])
        if errors.size:
            lines.append(
                f"| {name} | {errors.size} | {errors.mean():+.3f} | "
                f"{np.abs(errors).mean():.3f} | {(np.abs(errors) <= 0.03).mean():.0%} |"
            )
    halves = [(row["high"] - row["low"]) / 2 for row in rows]
    inside = np.mean([row["inside"] for row in rows])
    cost = [row["estimate_seconds"] / row["training_seconds"] for row in rows]
    return [
        *lines,
        "",
        f"inside the interval: {inside:.0%}; half width in the median "
        f"{np.median(halves):.3f}; share of the training time in the median "
        f"{np.median(cost):.2f}",
    ]


def live_summary(rows: Sequence[Row]) -> list[str]:
    """Return the mean error with further slices that were completed, as Markdown."""
    known = [row for row in rows if "next" in row]
    if not known:
        return []
    lines = [
        f"mean error with further slices, {len(known)} cases:",
        "| chosen | 0 slices | 1 | 2 | 3 | 6 |",
        "|---|---|---|---|---|---|",
    ]
    for how in ("suggested", "gaps", "random"):
        errors = [
            np.mean([_error_with(row, how, count) for row in known])
            for count in (0, 1, 2, 3, 6)
        ]
        lines.append(f"| {how} | {' | '.join(f'{e:.3f}' for e in errors)} |")
    return lines


def alone_summary(rows: Sequence[Row]) -> list[str]:
    """Return how far the Dice of three further slices alone is off, as Markdown."""
    lines = [
        "Dice of three further slices alone, less the truth:",
        "| chosen | cases | bias | spread |",
        "|---|---|---|---|",
    ]
    for how in ("suggested", "gaps", "random"):
        errors = [
            found - float(row["true"])
            for row in rows
            if "next" in row
            and (found := _mean_of(row["next"][how][:FEWEST])) is not None
        ]
        if errors:
            lines.append(
                f"| {how} | {len(errors)} | {np.mean(errors):+.3f} | "
                f"{np.std(errors):.3f} |"
            )
    return lines


def _mean_of(chosen: Sequence[Row]) -> float | None:
    """Return the mean Dice of the classes that slices show; None of background alone."""
    sums: dict[str, list[int]] = {}
    for one in chosen:
        for name, counts in one["counts"].items():
            known = sums.get(name, [0, 0, 0])
            sums[name] = [a + b for a, b in zip(known, counts, strict=True)]
    dices = [
        2 * right / (told + true) for right, told, true in sums.values() if told + true
    ]
    return float(np.mean(dices)) if dices else None


def _error_with(row: Row, how: str, count: int) -> float:
    scores = []
    for chosen in row["next"][how][:count]:
        counts = {int(n): tuple(c) for n, c in chosen["counts"].items() if any(c)}
        axis, index = chosen["plane"]
        scores.append(SliceScore(axis, index, counts, row["method"], 0))
    mean = with_slices(_estimate(row), scores).mean
    assert mean is not None
    return abs(mean.dice - float(row["true"]))


_RULE = "|---|---|---|---|---|"
_KINDS = {
    "the estimate": "told",
    "held-out slice": "held_out",
    "annotated slices": "on_slices",
}


def fitted_width(rows: Sequence[Row]) -> float:
    """Return the factor of the width that just holds so many of the truths."""
    needed = [_needed(row) for row in rows]
    return float(np.quantile(needed, COVERAGE, method="higher"))


def coverage_elsewhere(rows: Sequence[Row]) -> float:
    """Return the share that is inside where the width was fitted to other volumes."""
    inside = [
        _needed(row) <= fitted_width(others)
        for row in rows
        if (others := [r for r in rows if r["volume"] != row["volume"]])
    ]
    return float(np.mean(inside)) if inside else float("nan")


def _needed(row: Row) -> float:
    """Return the factor of the width, without its least part, that holds a truth."""
    mean = _estimate(row).mean
    assert mean is not None
    # One end may be cut at 0 or 1.
    half = max(mean.high - mean.dice, mean.dice - mean.low)
    beyond = max(0.0, abs(row["true"] - mean.dice) - estimates.LEAST_WIDTH)
    return beyond / max(half - estimates.LEAST_WIDTH, 1e-6)


if __name__ == "__main__":
    main()
