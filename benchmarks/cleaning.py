"""What rules do to predictions: scores of kept label volumes, raw and cleaned up.

`benchmarks/recipes.py --keep FOLDER` writes them as FOLDER/NAME/ID_METHOD.npz. Scores
are of voxels that were not annotated, or, with --unseen, of all.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import records
import volumes

from sparseseg.evaluation import evaluate
from sparseseg.postprocessing import clean

_SLICES = (3, 3, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("folder", type=Path, help="of the predictions")
    parser.add_argument("--rules", nargs="+", required=True, metavar="RULE")
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--unseen", action="store_true")
    out = Path(__file__).with_name("results") / "cleaning.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    print("| volume | method | mean IoU | cleaned up | mean Dice | cleaned up |")
    print("|---|---|---|---|---|---|")
    for name in volumes.chosen(args):
        case = volumes.load(name, args.data, _SLICES, 0.0)
        for method in args.methods:
            row = {"volume": name, "method": method, "rules": args.rules}
            row |= _measured(case, args, f"{name} {method}")
            records.append(args.out, row)
            cells = (row[side][m] for m in ("mean_iou", "mean_dice") for side in _SIDES)
            print(f"| {name} | {method} |", *(f"{c:.3f} |" for c in cells))


_SIDES = ("raw", "cleaned")


def _measured(case: volumes.Case, args: argparse.Namespace, stem: str) -> Any:
    path = args.folder / f"{stem}.npz".replace(" ", "_")
    raw = np.load(path)["labels"]
    spacing, unit = case.volume.spacing, case.volume.unit
    cleaned = clean(raw, args.rules, spacing=spacing, unit=unit)
    annotation = None if args.unseen else case.annotation
    return {
        side: {
            measure: evaluate(labels, case.truth, annotation=annotation)[measure]
            for measure in ("mean_iou", "mean_dice")
        }
        for side, labels in zip(_SIDES, (raw, cleaned), strict=True)
    }


if __name__ == "__main__":
    main()
