"""What a pretrained model is worth when few slices are annotated.

A small network of the kind that nnU-Net uses, or one of the default recipe, is trained
on some volumes with many annotated slices. Then, on another volume, it is trained
further on one, three and nine slices, beside the same network from fresh weights, the
default recipe, and no training at all. Scored are the voxels that were not annotated.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import records
import volumes
from measuring import CLOCKS

from sparseseg import starting
from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.evaluation import evaluate
from sparseseg.nn.conv_unet import Architecture
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.settings.training import TrainSettings

_SLICES = {1: (1, 0, 0), 3: (1, 1, 1), 9: (3, 3, 3)}
_MANY = (9, 9, 9)
_FOREIGN, _OURS = "nnunet-like", "three-view"
_CUBE, _STEP = (3, 3, 3), (2, 2, 2)


def main() -> None:
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        fresh, donor = folder / "fresh.safetensors", folder / "donor.safetensors"
        if not donor.exists():
            learned = [_case(name, _MANY, args) for name in args.learned]
            if args.donor == _FOREIGN:
                _fresh(learned).save(fresh)
            start = fresh if args.donor == _FOREIGN else None
            _trained(learned, start, args.donor_minutes, args).save(donor)
        parents = {"fine-tuned": donor}
        if args.donor == _FOREIGN:
            parents = {"scratch": fresh, **parents}
        for count in args.slices:
            _compare(count, _SLICES[count], parents, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--learned", nargs="+", default=["mr_mouse_brain/m1", "mr_mouse_brain/m2"]
    )
    parser.add_argument("--volume", default="mr_mouse_brain/m3")
    parser.add_argument("--slices", nargs="+", type=int, default=list(_SLICES))
    parser.add_argument("--folder", type=Path, help="keeps the models, for another run")
    parser.add_argument("--donor", choices=[_FOREIGN, _OURS], default=_FOREIGN)
    parser.add_argument("--donor-minutes", type=float, default=6.0)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    out = Path(__file__).with_name("results") / "finetuning.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _case(name: str, slices: tuple[int, int, int], args: argparse.Namespace) -> Any:
    case = volumes.load(name, args.data, slices, 0.0)
    return case.volume, SparseLabels(case.annotation)


def _fresh(cases: Any) -> Model:
    """Return a small U-Net with random weights, as a model to start from."""
    architecture = Architecture(
        dims=3,
        widths=(12, 24, 48, 96),
        kernels=(_CUBE,) * 4,
        strides=((1, 1, 1), _STEP, _STEP, _STEP),
        convs=(2,) * 4,
        up_kernels=(_CUBE,) * 3,
        up_convs=(2,) * 3,
    )
    volume = cases[0][0]
    # Numbers of its own: nothing that it says is to be kept.
    numbers = [100 + n for n in {n for _, labels in cases for n in labels.numbers()}]
    background = any(labels.has_background() for _, labels in cases)
    plan = Plan(
        recipe="pretrained",
        outputs=(*((BACKGROUND,) if background else ()), *numbers),
        spacing=volume.spacing,
        unit=volume.unit,
        curves=(GreyCurve((0.0, 1.0), (0.0, 1.0)),) * volume.channels,
        patch=(32, 64, 64),
        network={"architecture": architecture.to_json(), "folds": 1},
        inference=Inference(
            normalisers=(Normaliser(kind="z-score"),) * volume.channels,
            sums="float32",
            crop=False,
            # Anatomy lies as it lies: left is not right.
            mirror=(),
        ).to_json(),
    )
    return Model(plan, ClassTable.numbered(numbers))


def _trained(
    cases: Any, parent: Path | None, minutes: float, args: argparse.Namespace
) -> Model:
    settings = TrainSettings(
        parent=str(parent or ""), minutes=minutes, device=args.device, held_out=False
    )
    model = starting.create(cases, settings)
    for _ in train(model, cases, settings, seconds=CLOCKS[args.clock]):
        pass
    return model


def _compare(
    count: int,
    slices: tuple[int, int, int],
    parents: dict[str, Path],
    args: argparse.Namespace,
) -> None:
    case = volumes.load(args.volume, args.data, slices, 0.0)
    pair = (case.volume, SparseLabels(case.annotation))
    jobs: dict[str, Model] = {"as it is": Model.load(parents["fine-tuned"])}
    for method, parent in {**parents, _OURS: None}.items():
        jobs[method] = _trained([pair], parent, args.minutes, args)
    for method, model in jobs.items():
        found = model.predict(case.volume, pair[1])
        scores = evaluate(found.labels, case.truth, annotation=case.annotation)
        row = {
            "volume": args.volume,
            "learned": args.learned,
            "donor": args.donor,
            "donor_minutes": args.donor_minutes,
            "slices": count,
            "method": method,
            "minutes": args.minutes,
            "steps": model.history.get("step"),
            "mean_iou": scores["mean_iou"],
            "mean_dice": scores["mean_dice"],
        }
        records.append(args.out, row)
        print(count, method, f"{row['mean_iou']:.3f}", row["steps"], flush=True)


if __name__ == "__main__":
    main()
