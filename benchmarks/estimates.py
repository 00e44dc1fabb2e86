"""Whether the estimated Dice of a batch tells good volumes from bad ones.

A model is trained on some volumes, each with three slices an axis, and predicts others.
For each class of each, the Dice that the calibrated probabilities make expect is set
beside the Dice with the truth; what matters to a report is their order.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes
from scipy.stats import spearmanr

from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.confidence import Confidence
from sparseseg.starting import fit

_SLICES = (3, 3, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--test", nargs="+", required=True, metavar="NAME/ID")
    parser.add_argument("--recipe", default="three-view")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--device", default="auto")
    out = Path(__file__).with_name("results") / "estimates.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    learned = volumes.chosen(args)
    cases = [volumes.load(name, args.data, _SLICES, 0.0) for name in learned]
    model = fit(
        [(case.volume, SparseLabels(case.annotation)) for case in cases],
        recipe=args.recipe,
        minutes=args.minutes,
        device=args.device,
    )
    rows = [row for name in args.test for row in _compared(model, name, args)]
    told, true = (np.array([row[side] for row in rows]) for side in _SIDES)
    found: dict[str, Any] = {
        "learned_from": learned,
        "recipe": args.recipe,
        "minutes": args.minutes,
        "temperature": model.history.get("temperature"),
        "spearman": float(spearmanr(told, true).statistic),
        "mean_absolute_error": float(np.abs(told - true).mean()),
        "rows": rows,
    }
    records.append(args.out, found)
    for row in rows:
        print(
            f"{row['volume']} class {row['class']}: {row['told']:.3f} {row['true']:.3f}"
        )
    print({name: found[name] for name in ("spearman", "mean_absolute_error")})


_SIDES = ("told", "true")


def _compared(model: Model, name: str, args: argparse.Namespace) -> list[Any]:
    case = volumes.load(name, args.data, _SLICES, 0.0)
    temperature = float(model.history.get("temperature", 1.0))
    confidence = Confidence(len(model.plan.outputs), temperature)
    out = Output(np.zeros(case.volume.shape, np.uint8), confidence=confidence)
    for _ in predict(model, case.volume, out):
        pass
    scores = evaluate(out.labels, case.truth)["dice"]
    told = dict(zip(model.plan.classes, confidence.dice, strict=True))
    return [
        {"volume": name, "class": number, "told": float(told[number]), "true": dice}
        for number, dice in scores.items()
        if number and number in told and told[number] is not None and dice is not None
    ]


if __name__ == "__main__":
    main()
