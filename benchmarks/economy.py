"""How many slices, and minutes of painting, each way to choose the next slice needs.

A simulated person begins with the middle slice of each axis. Then slices are chosen, two at
a time, and taken whole from the truth; the same training goes on for so many steps, and the
volume is predicted and scored. All ways to choose share volume, seed and steps.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import records
import volumes
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from sparseseg.data.labels import SparseLabels
from sparseseg.data.numbering import to_annotation
from sparseseg.data.slices import well_labelled
from sparseseg.engine import training
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.gain import CoarseGrid, Plane, best_planes
from sparseseg.evaluation.suggesting import Doubts, sides_of, suggested
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
# What a slice costs a person: to get there, and each pixel of an outline.
SECONDS_A_SLICE, SECONDS_A_PIXEL = 10.0, 0.1
ENOUGH = 0.95


@dataclass(frozen=True)
class State:
    """What is known when the next slice is chosen."""

    case: volumes.Case
    known: list[Plane]
    found: Segmentation
    rng: np.random.Generator

    @property
    def blank(self) -> list[Plane]:
        """The slices that are not annotated."""
        every = ((a, i) for a, n in enumerate(self.case.truth.shape) for i in range(n))
        return [plane for plane in every if plane not in self.known]

    @property
    def grid(self) -> CoarseGrid:
        """The cells that stand for all voxels."""
        return CoarseGrid.of(self.case.volume.shape, sides_of(self.case.volume.spacing))


def interval(state: State) -> Plane:
    """Take the axes in turn, and halve the largest gap of each."""
    axis = len(state.known) % 3
    length = state.case.truth.shape[axis]
    there = sorted(index for a, index in state.known if a == axis)
    ends = [-1 - there[0], *there, 2 * length - 1 - there[-1]]  # mirrored at the ends
    gaps = np.diff(ends)
    place = int(gaps.argmax())
    index = (ends[place] + ends[place + 1]) // 2
    if (axis, min(length - 1, max(0, index))) in state.known:
        return randomly(state)
    return axis, min(length - 1, max(0, index))


def gaps(state: State) -> Plane:
    """Take the slice that is far from all others."""
    (best,) = best_planes(state.grid, None, state.known, 1)
    return best


def ours(state: State) -> Plane:
    """Take what `suggest` names first."""
    (best,) = suggested(
        state.grid, state.known, count=1, doubts=_doubts(state), names={}
    )
    return best.axis, best.index


def doubtful(state: State) -> Plane:
    """Take what `suggest` names where it draws none by chance."""
    doubts = _doubts(state)
    error = None if doubts is None else doubts.joined
    (best,) = best_planes(state.grid, error, state.known, 1)
    return best


def randomly(state: State) -> Plane:
    """Take any slice."""
    return _one_of(state.blank, state.rng)


def foreground(state: State) -> Plane:
    """Take any slice on which the truth has a class."""
    there = [plane for plane in state.blank if _of(state.case.truth, plane).any()]
    return _one_of(there or state.blank, state.rng)


def entropy(state: State) -> Plane:
    """Take the slice with the largest mean entropy."""
    doubt = state.found.uncertainty
    assert doubt is not None
    means = [doubt.mean(tuple(b for b in range(3) if b != a)) for a in range(3)]
    return max(state.blank, key=lambda plane: means[plane[0]][plane[1]])


WAYS: dict[str, Callable[[State], Plane]] = {
    "ours": ours,
    "doubtful": doubtful,
    "gaps": gaps,
    "interval": interval,
    "random": randomly,
    "foreground": foreground,
    "entropy": entropy,
}


def main() -> None:
    args = _parser().parse_args()
    until = time.monotonic() + 60 * args.stop_after
    for seed in args.seeds:
        for name in volumes.chosen(args):
            for way in args.ways:
                key = {"volume": name, "seed": seed, "way": way, "steps": args.steps}
                if args.table or records.has(args.out, key):
                    continue
                if time.monotonic() > until:
                    return
                rounds = list(annotated(key, args))
                print(key, [f"{r['mean_iou']:.3f}" for r in rounds], flush=True)
                records.append(args.out, key | {"rounds": rounds})
    print("\n".join(table(records.rows(args.out))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=15, help="after each slice")
    parser.add_argument("--slices", type=int, default=13, help="at the end")
    parser.add_argument("--together", type=int, default=2, help="slices chosen at once")
    parser.add_argument("--stop-after", type=float, default=1e9, metavar="MINUTES")
    parser.add_argument("--table", action="store_true", help="print the results only")
    out = Path(__file__).with_name("results") / "economy.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def annotated(key: Row, args: argparse.Namespace) -> Iterator[Row]:
    """Annotate slice after slice, and yield the score after each training."""
    case = volumes.load(key["volume"], args.data, (1, 1, 1), 0.0)
    labels = SparseLabels(case.annotation)
    settings = TrainSettings(steps=10**6, seed=key["seed"], held_out=False)
    model = create([(case.volume, labels)], settings)
    training._LOOK_SECONDS = 0.0  # what is painted joins with the next step
    steps = train(model, [(case.volume, labels)], settings)
    rng = np.random.default_rng(key["seed"])
    known = well_labelled(labels.slices(), case.volume.shape)
    seconds = sum(_seconds(case.truth, plane) for plane in known)
    while True:
        for _ in range(key["steps"]):
            next(steps)
        found = _predicted(model, case, labels)
        scores = evaluate(found.labels, case.truth, annotation=case.annotation)
        yield {
            "slices": len(known),
            "seconds": round(seconds, 1),
            "mean_iou": round(scores["mean_iou"], 4),
            "planes": [list(plane) for plane in known],
        }
        if len(known) >= args.slices:
            return
        for _ in range(args.together):
            plane = WAYS[key["way"]](State(case, known, found, rng))
            _paint(case, plane)
            known.append(plane)
            seconds += _seconds(case.truth, plane)


def _predicted(model: Model, case: volumes.Case, labels: SparseLabels) -> Segmentation:
    job = Job(extras=frozenset({"uncertainty"}))
    return finished(segment(model, case.volume, job, labels=labels))


def _doubts(state: State) -> Doubts | None:
    assert state.found.uncertainty is not None
    return Doubts.of(
        state.grid,
        prediction=state.found.labels,
        uncertainty=state.found.uncertainty,
        annotation=state.case.annotation,
    )


def _of(array: NDArray[Any], plane: Plane) -> NDArray[Any]:
    return np.take(array, plane[1], plane[0])


def _one_of(planes: Sequence[Plane], rng: np.random.Generator) -> Plane:
    return planes[int(rng.integers(len(planes)))]


def _paint(case: volumes.Case, plane: Plane) -> None:
    at = (slice(None),) * plane[0] + (plane[1],)
    case.annotation[at] = to_annotation(case.truth[at], unlabelled=-1, background=0)


def _seconds(truth: NDArray[Any], plane: Plane) -> float:
    """Return what a slice costs: to get there, and its outlines."""
    there = _of(truth, plane)
    outline = sum(
        np.count_nonzero((there == n) & ~binary_erosion(there == n))
        for n in np.unique(there)
        if n
    )
    return float(SECONDS_A_SLICE + SECONDS_A_PIXEL * outline)


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
