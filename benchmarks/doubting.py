"""Which signs find the voxels that are wrong: AUROC of errors between the slices.

A model is trained, and its prediction is compared with the truth where nothing was
annotated. *Unsure* is the entropy of the prediction, *doubt* all that the window shows,
*planes* how far the three single views of the network are from their mean, and *snapshots*
the same of the network after a half, three quarters and all of its steps. `a + b` is the
mean of two, each as a share of its largest.
"""

import argparse
from collections.abc import Iterator
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch
import volumes
from numpy.typing import NDArray
from scipy.stats import rankdata

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.engine.training import train
from sparseseg.reporting.doubtful import look_through
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

Row = dict[str, Any]
Floats = NDArray[np.float32]
_WORST = 0.01  # of all voxels
_FIRST = ("unsure", "doubt")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    out = Path(__file__).with_name("results") / "doubting.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    for name in volumes.chosen(args):
        for seed in args.seeds:
            key = {"volume": name, "seed": seed, "steps": args.steps}
            if not records.has(args.out, key):
                records.append(args.out, key | _measured(key, args))
    print("\n".join(table(records.rows(args.out))))


def _measured(key: Row, args: argparse.Namespace) -> Row:
    case = volumes.load(key["volume"], args.data, (3, 3, 3), 0.1 * key["seed"])
    labels = SparseLabels(case.annotation)
    settings = TrainSettings(steps=key["steps"], seed=key["seed"])
    model = create([(case.volume, labels)], settings)
    moments = []
    for step in train(model, [(case.volume, labels)], settings):
        if step.step in (key["steps"] // 2, key["steps"] * 3 // 4):
            moments.append(_likely(model, case, labels))
    last = _likely(model, case, labels)
    found = _shown(model, case, labels)
    assert found.uncertainty is not None
    doubt = look_through(
        case.volume,
        labels,
        prediction=found.labels,
        uncertainty=np.round(255 * found.uncertainty).astype(np.uint8),
    )
    signs = {
        "unsure": found.uncertainty,
        "doubt": doubt.whole(case.volume.shape).astype(np.float32),
        "planes": _spread(list(_views(model, case, labels))),
        "snapshots": _spread([*moments, last]),
    }
    free = case.annotation == 0
    wrong = (found.labels != case.truth)[free]
    ranked = {name: sign[free] / sign.max() for name, sign in signs.items()}
    both = {
        f"{first} + {other}": ranked[first] + ranked[other]
        for first, other in combinations(ranked, 2)
        if other not in _FIRST
    }
    return {
        "method": found.method,
        "wrong": float(wrong.mean()),
        "auroc": {n: _auroc(s, wrong) for n, s in (ranked | both).items()},
        "worst": {n: _of_worst(s, wrong) for n, s in (ranked | both).items()},
    }


def _shown(model: Model, case: volumes.Case, labels: SparseLabels) -> Segmentation:
    job = Job(extras=frozenset({"uncertainty"}))
    return finished(segment(model, case.volume, job, labels=labels))


def _likely(model: Model, case: volumes.Case, labels: SparseLabels) -> Floats:
    """Return the probabilities (k, z, y, x) of the network as it is."""
    job = Job(method="network", extras=frozenset({"probabilities"}))
    found = finished(segment(deepcopy(model), case.volume, job, labels=labels))
    assert found.probabilities is not None
    return found.probabilities


def _views(model: Model, case: volumes.Case, labels: SparseLabels) -> Iterator[Floats]:
    """Yield what single views of the network say."""
    for axis in np.flatnonzero(model.network.views.numpy()):
        one = deepcopy(model)
        one.network.views.copy_(torch.eye(3)[axis])
        yield _likely(one, case, labels)


def _spread(answers: list[Floats]) -> Floats:
    """Return the mean distance in total variation to the mean of all (z, y, x)."""
    mean = np.mean(answers, axis=0)
    found: Floats = np.mean([np.abs(one - mean).sum(0) / 2 for one in answers], axis=0)
    return found


def _auroc(sign: Floats, wrong: NDArray[np.bool_]) -> float:
    """Return how often a wrong voxel has a larger sign than a right one."""
    ranks, count = rankdata(sign), int(wrong.sum())
    least = count * (count + 1) / 2
    return float((ranks[wrong].sum() - least) / (count * (len(wrong) - count)))


def _of_worst(sign: Floats, wrong: NDArray[np.bool_]) -> float:
    """Return the share of voxels with the largest signs that is wrong."""
    count = max(1, round(_WORST * len(sign)))
    return float(wrong[np.argsort(sign)[-count:]].mean())


def table(rows: list[Row]) -> list[str]:
    """Return AUROC, and the share of the worst hundredth that is wrong, as Markdown."""
    names = list(rows[0]["auroc"])
    lines = [f"| volume | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        cells = (f"{row['auroc'][n]:.3f}, {row['worst'][n]:.0%}" for n in names)
        lines.append(f"| {row['volume']} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
