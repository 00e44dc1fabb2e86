"""Folders that we write for nnU-Net 2, predicted by nnU-Net itself and by us.

nnU-Net is no dependency: install nnunetv2 apart, and put its folder on PYTHONPATH. The
networks have random weights, whose answers change from voxel to voxel: what differs in
size, place or grey value shows at once.
"""

import argparse
import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch

from sparseseg.data.files import read, write_image
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.models.nnunet_folder import export_folder
from sparseseg.models.readers.foreign import Foreign, ForeignFacts, assembled
from sparseseg.nn.conv_unet import Architecture, ConvUNet
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.starting import fit

for _place in ("raw", "preprocessed", "results"):
    os.environ.setdefault(f"nnUNet_{_place}", tempfile.gettempdir())

from nnunetv2.imageio.simpleitk_reader_writer import (  # noqa: E402 - asks for them
    SimpleITKIO,
)
from nnunetv2.inference.predict_from_raw_data import (  # noqa: E402
    nnUNetPredictor,
)

_CT = Normaliser(kind="ct", low=-90, high=200, mean=40, deviation=60)
_MASKED = Normaliser(kind="z-score", masked=True)
_CASES: dict[str, dict[str, Any]] = {
    "3-D": {"normalisers": (_CT,)},
    "3-D, residual blocks": {"normalisers": (_CT,), "residual": True},
    "3-D, two channels, masked": {"normalisers": (_MASKED, Normaliser(kind="unit"))},
    "3-D, axes turned": {"normalisers": (_CT,), "axes": (2, 0, 1)},
    "2-D": {"normalisers": (_CT,), "dims": 2},
    "3-D, trained further for 5 steps": {"normalisers": (_CT,), "steps": 5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    out = Path(__file__).with_name("results") / "nnunet-folders.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    rows = []
    for name, given in _CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"network": name, **compared(Path(folder), **given)})
        print(rows[-1], flush=True)
    records.write(args.out, rows)


def compared(folder: Path, steps: int = 0, **given: Any) -> dict[str, Any]:
    """Return in how many voxels the labels of both differ, without and with mirroring."""
    model = made(**given)
    files = images(folder, model.plan.channels)
    volume = joined(files)
    if steps:
        model = further(model, volume, steps, folder / "parent.safetensors")
    export_folder(model, folder / "model")
    found: dict[str, Any] = {"voxels": int(np.prod(volume.shape))}
    for mirror in (False, True):
        model.plan = replace(model.plan, options={"mirror": mirror})
        numbers = [0, *model.plan.outputs[1:]]  # of classes, by nnU-Net's labels
        ours = model.predict(volume).labels
        folds = range(int(model.plan.network["folds"]))
        theirs = answered(folder / "model", files, folds, mirror=mirror)
        found["mirrored" if mirror else "plain"] = int(
            (ours != np.take(numbers, theirs)).sum()
        )
        found["labels"] = sorted(map(int, np.unique(theirs)))
    return found


def made(
    normalisers: tuple[Normaliser, ...],
    *,
    residual: bool = False,
    dims: int = 3,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Model:
    """Return a model of two folds, as the reader of nnU-Net 2 would."""
    kernels = ((1, 3, 3), (3, 3, 3), (3, 3, 3))
    strides = ((1, 1, 1), (1, 2, 2), (2, 2, 2))
    a = Architecture(
        dims=3 if dims == 3 else 2,
        widths=(8, 16, 16),
        kernels=tuple(sides[-dims:] for sides in kernels),
        strides=tuple(sides[-dims:] for sides in strides),
        convs=(1, 2, 2) if residual else (2, 2, 2),
        up_kernels=tuple(sides[-dims:] for sides in kernels[-2::-1]),
        up_convs=(2, 2),
        residual=residual,
    )
    torch.manual_seed(0)
    states = [ConvUNet(len(normalisers), 4, a).state_dict() for _ in range(2)]
    flat = dims == 2
    return assembled(
        Foreign(
            network={"architecture": a.to_json()},
            states=states,
            spacing=(2.0, 1.1, 1.1),
            patch=(1 if flat else 16, 32, 32),
            labels=(0, 1, 2, 3),
            names={1: "one", 2: "two", 3: "three"},
            inference=Inference(
                normalisers=normalisers,
                axes=axes,
                flat=flat,
                mirror=(1, 2) if flat else (0, 1, 2),
            ),
            trained={},
        ),
        ForeignFacts(),
    )


def further(model: Model, volume: Volume, steps: int, path: Path) -> Model:
    """Train on two slices, with a class that the model does not know."""
    model.save(path)
    painted = np.zeros(volume.shape, np.uint8)
    painted[[8, 16]] = 255
    painted[[8, 16], 10:20, 10:20], painted[[8, 16], 22:30, 22:30] = 1, 7
    case = volume, SparseLabels(painted)
    return fit([case], parent=str(path), steps=steps, device="cpu")


def images(folder: Path, channels: int) -> list[Path]:
    """Write one file a channel, as nnU-Net has it, with a border of zeros."""
    rng = np.random.default_rng(0)
    files = []
    for channel in range(channels):
        voxels = np.zeros((26, 40, 44), np.int16)
        voxels[3:, 5:, :-4] = rng.integers(-100, 200, (23, 35, 40))
        files.append(folder / f"case_{channel:04}.nii.gz")
        write_image(files[-1], voxels, Volume(voxels[None], (2.5, 0.9, 1.3), "mm"))
    return files


def joined(files: list[Path]) -> Volume:
    volumes = [read(file) for file in files]
    channels = np.concatenate([np.asarray(volume.array) for volume in volumes])
    return replace(volumes[0], array=channels)


def answered(
    folder: Path, files: list[Path], folds: Iterable[int], *, mirror: bool
) -> Any:
    predictor = nnUNetPredictor(
        use_mirroring=mirror,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(folder), use_folds=tuple(folds))
    image, facts = SimpleITKIO().read_images([str(file) for file in files])
    return predictor.predict_single_npy_array(image, facts, None, None, False)


if __name__ == "__main__":
    main()
