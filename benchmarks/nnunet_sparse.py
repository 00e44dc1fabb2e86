"""nnU-Net 2 with its ignore label, on the same slices: how far it gets, and after how long.

nnU-Net is no dependency: install nnunetv2 in an environment of its own beside sparseseg. Its
own planner, preprocessing, network, augmentation, loss, optimiser and prediction are used;
only the end is ours: a budget in minutes of the processor, which its learning rate follows.
On a CPU it would compute in single precision. Here it has what is faster, `--bfloat16`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch
import volumes
from numpy.typing import NDArray
from torch import nn
from volumes import Case

from sparseseg.data.files import write_image, write_labels
from sparseseg.evaluation import evaluate

_NAME = "Dataset001_sparse"
_FIRST_RATE, _POWER = 0.01, 0.9  # its learning rate, and the power by which it falls


def main() -> None:
    args = _parser().parse_args()
    for name in volumes.chosen(args):
        for minutes in args.minutes:
            _measure(name, minutes, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    volumes.add_arguments(parser)
    parser.add_argument("--slices", nargs=3, type=int, default=[3, 3, 3])
    parser.add_argument("--minutes", nargs="+", type=float, default=[3.0, 30.0])
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--bfloat16", action="store_true")
    out = Path(__file__).with_name("results") / "nnunet-sparse.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def _measure(name: str, minutes: float, args: argparse.Namespace) -> None:
    key = {
        "volume": name,
        "slices": args.slices,
        "configuration": args.configuration,
        "minutes": minutes,
        "bfloat16": args.bfloat16,
    }
    if records.has(args.out, key):
        return
    case = volumes.load(name, args.data, tuple(args.slices), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        found = _trained(case, Path(folder), minutes, args)
    print(name, minutes, found, flush=True)
    records.append(args.out, key | found)


def _trained(
    case: Case, folder: Path, minutes: float, args: argparse.Namespace
) -> dict[str, Any]:
    """Return what nnU-Net reaches after so many minutes of the processor."""
    for place in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{place}"] = str(folder / place)
    classes = _written(case, folder / "raw" / _NAME)
    trainer = _planned(folder / "preprocessed" / _NAME, args.configuration)
    if args.bfloat16:
        _compute_in_bfloat16(trainer.network)
    steps = _train(trainer, minutes)
    images = folder / "raw" / _NAME / "imagesTr"
    labels = np.asarray(classes, np.uint8)[_predicted(trainer, images)]
    score = evaluate(labels, case.truth, annotation=case.annotation)
    return {
        "steps": steps,
        "patch": list(trainer.configuration_manager.patch_size),
        "batch": trainer.batch_size,
        "mean_iou": score["mean_iou"],
        "mean_dice": score["mean_dice"],
    }


def _written(case: Case, raw: Path) -> list[int]:
    """Write a data set of one volume; return our value of each of its labels."""
    shown = case.annotation
    classes = [0, *(int(v) for v in np.unique(shown) if v not in (0, 255))]
    target = np.full(shown.shape, len(classes), np.uint8)  # what it shall ignore
    target[shown == 255] = 0
    for number, value in enumerate(classes[1:], 1):
        target[shown == value] = number
    for place in ("imagesTr", "labelsTr"):
        (raw / place).mkdir(parents=True)
    channels = np.asarray(case.volume.array)
    for number, channel in enumerate(channels):
        write_image(raw / "imagesTr" / f"a_{number:04}.nii.gz", channel, case.volume)
    write_labels(raw / "labelsTr" / "a.nii.gz", target, like=case.volume)
    names = {f"class {number}": number for number in range(1, len(classes))}
    described = {
        "channel_names": {str(number): "image" for number in range(len(channels))},
        "labels": {"background": 0, **names, "ignore": len(classes)},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described))
    return classes


def _planned(folder: Path, configuration: str) -> Any:
    """Let nnU-Net plan and preprocess, and return its trainer, ready to begin."""
    # It reads its folders where it is imported.
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (  # noqa: PLC0415
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import (  # noqa: PLC0415
        nnUNetTrainer,
    )

    os.environ.update({"nnUNet_n_proc_DA": "1"})
    extract_fingerprints([1], num_processes=1, verbose=False)
    plans = plan_experiments([1])
    preprocess([1], plans, (configuration,), (1,))
    os.environ.update({"nnUNet_n_proc_DA": "0"})  # all in this process
    trainer = nnUNetTrainer(
        plans=json.loads((folder / f"{plans}.json").read_text()) | _FRESH,
        configuration=configuration,
        fold="all",
        dataset_json=json.loads((folder / "dataset.json").read_text()),
        device=torch.device("cpu"),
    )
    trainer.initialize()
    trainer.on_train_start()
    return trainer


_FRESH = {"continue_training": False}


def _compute_in_bfloat16(network: nn.Module) -> None:
    plain = network.forward

    def forward(image: torch.Tensor) -> Any:
        laid_out = image.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16):
            found = plain(laid_out if image.ndim == 5 else image)
        if isinstance(found, torch.Tensor):
            return found.float()
        return [scale.float() for scale in found]

    network.forward = forward  # type: ignore[method-assign]


def _train(trainer: Any, minutes: float) -> int:
    """Take steps for so many minutes of the processor, and return how many."""
    begin, steps = time.process_time(), 0
    trainer.network.train()
    while (done := (time.process_time() - begin) / 60 / minutes) < 1:
        for group in trainer.optimizer.param_groups:
            group["lr"] = _FIRST_RATE * (1 - done) ** _POWER
        loss = trainer.train_step(next(trainer.dataloader_train))["loss"]
        steps += 1
        print(f"  step {steps}: {done:.0%}, loss {float(loss):.3f}", flush=True)
    return steps


def _predicted(trainer: Any, image: Path) -> NDArray[np.integer[Any]]:
    """Return its labels of the volume, with its default mirroring."""
    from nnunetv2.inference.predict_from_raw_data import (  # noqa: PLC0415
        nnUNetPredictor,
    )

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    reader = trainer.plans_manager.image_reader_writer_class()
    files = sorted(str(file) for file in image.glob("*.nii.gz"))
    array, facts = reader.read_images(files)
    found: NDArray[np.integer[Any]] = predictor.predict_single_npy_array(array, facts)
    return found


if __name__ == "__main__":
    main()
