"""How many slices, and minutes of painting, each way to choose the next slice needs.

A simulated person begins with the middle slice of each axis. Then slices are chosen, two at
a time, and taken whole from the truth; the same training goes on for so many steps, and the
volume is predicted and scored. All ways to choose share volume, seed and steps.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import records
import volumes
from economy_ways import USUAL, WAYS, Predicted, State, seconds
from numpy.typing import NDArray
from quick_learner import QuickLearner

from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import well_labelled
from sparseseg.engine import training
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
ENOUGH = 0.95


def main() -> None:
    args = _parser().parse_args()
    until = time.monotonic() + 60 * args.stop_after
    for seed in args.seeds:
        for name in volumes.chosen(args):
            for way in args.ways:
                key = {"volume": name, "seed": seed, "way": way, **_learner(args)}
                if args.table or records.has(args.out, key):
                    continue
                if time.monotonic() > until:
                    return
                rounds = list(annotated(key, args))
                print(key, [f"{r['mean_iou']:.3f}" for r in rounds], flush=True)
                records.append(args.out, key | {"rounds": rounds})
    print("\n".join(table(records.rows(args.out))))


def _learner(args: argparse.Namespace) -> Row:
    if args.learner == "network":
        return {"steps": args.steps}
    return {"learner": args.learner}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(USUAL))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=15, help="after each slice")
    parser.add_argument("--slices", type=int, default=13, help="at the end")
    parser.add_argument("--together", type=int, default=2, help="slices chosen at once")
    parser.add_argument(
        "--learner",
        choices=LEARNERS,
        default="network",
        help="'quick' compares many ways in little time, with trees and a walker alone",
    )
    parser.add_argument("--stop-after", type=float, default=1e9, metavar="MINUTES")
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "economy.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def annotated(key: Row, args: argparse.Namespace) -> Iterator[Row]:
    """Annotate slice after slice, and yield the score after each training."""
    case = volumes.load(key["volume"], args.data, (1, 1, 1), 0.0)
    labels = SparseLabels(case.annotation)
    predictions = LEARNERS[args.learner](case, key)
    rng = np.random.default_rng(key["seed"])
    known = well_labelled(labels.slices(), case.volume.shape)
    painted = sum(seconds(case.truth, plane) for plane in known)
    agreements: list[float] = []
    while True:
        found = next(predictions)
        scores = evaluate(found.labels, case.truth, annotation=case.annotation)
        yield {
            "slices": len(known),
            "seconds": round(painted, 1),
            "mean_iou": round(scores["mean_iou"], 4),
            "planes": [list(plane) for plane in known],
        }
        if len(known) >= args.slices:
            return
        state = State(case, known, found, rng, agreements)
        for _ in range(args.together):
            plane = WAYS[key["way"]](state)
            state.paint(plane)
            painted += seconds(case.truth, plane)


def _trained(case: volumes.Case, key: Row) -> Iterator[Predicted]:
    """Train on for so many steps, and predict, again and again."""
    labels = SparseLabels(case.annotation)
    settings = TrainSettings(steps=10**6, seed=key["seed"], held_out=False)
    model = create([(case.volume, labels)], settings)
    training._LOOK_SECONDS = 0.0  # what is painted joins with the next step
    steps = train(model, [(case.volume, labels)], settings)
    while True:
        for _ in range(key["steps"]):
            next(steps)
        job = Job(extras=frozenset({"uncertainty"}))
        yield finished(segment(model, case.volume, job, labels=labels))


def _quick(case: volumes.Case, key: Row) -> Iterator[Predicted]:
    learner = QuickLearner(case, key["seed"])
    while True:
        yield learner.predict()


LEARNERS = {"network": _trained, "quick": _quick}


def table(rows: Sequence[Row]) -> list[str]:
    """Return by volume and way what it takes to 95% of the best IoU, as Markdown."""
    lines = [
        "| volume | way | slices | spread | minutes | mean IoU over all rounds | last IoU |",
        "|---|---|---|---|---|---|---|",
    ]
    for volume in dict.fromkeys(row["volume"] for row in rows):
        of_volume = [row for row in rows if row["volume"] == volume]
        best = {
            seed: max(_ious(row).max() for row in of_volume if row["seed"] == seed)
            for seed in {row["seed"] for row in of_volume}
        }
        for way in dict.fromkeys(row["way"] for row in of_volume):
            own = [row for row in of_volume if row["way"] == way]
            needed = [_needed(row, ENOUGH * best[row["seed"]]) for row in own]
            slices = [slices for slices, _ in needed]
            lines.append(
                f"| {volume} | {way} | {mean(slices):.1f} | {pstdev(slices):.1f} | "
                f"{mean(minutes for _, minutes in needed):.1f} | "
                f"{mean(float(_ious(row).mean()) for row in own):.3f} | "
                f"{mean(float(_ious(row)[-1]) for row in own):.3f} |"
            )
    return lines


def _ious(row: Row) -> NDArray[np.float64]:
    return np.array([found["mean_iou"] for found in row["rounds"]])


def _needed(row: Row, enough: float) -> tuple[int, float]:
    """Return the slices and minutes to an IoU; one slice more if it is not reached."""
    for found in row["rounds"]:
        if found["mean_iou"] >= enough:
            return found["slices"], found["seconds"] / 60
    last = row["rounds"][-1]
    return last["slices"] + 1, last["seconds"] / 60


if __name__ == "__main__":
    main()
