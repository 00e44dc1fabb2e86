"""Windows a second: our predictor beside those of MONAI and nnU-Net, with one network.

A U-Net of nnU-Net's kind, half its usual width, with random weights, over a volume of
noise; overlap a half, Gaussian weights, no mirroring, single precision. nnU-Net adds up
in half precision. Seconds are those of the processor, so that other work counts little.
Needs monai and nnunetv2 beside sparseseg.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import records
import torch
from monai.inferers import sliding_window_inference
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from sparseseg.boxes import Box
from sparseseg.nn.conv_unet import Architecture, ConvUNet
from sparseseg.recipes.pretrained.inference import Inference, Normaliser
from sparseseg.recipes.pretrained.prediction import as_network
from sparseseg.recipes.pretrained.windows import Windows, answers

_CUBE, _STEP = (3, 3, 3), (2, 2, 2)
_PATCH = (64, 64, 64)
_SHAPE = (128, 128, 128)
_OUTPUTS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    out = Path(__file__).with_name("results") / "windows.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    torch.manual_seed(0)
    network = ConvUNet(1, _OUTPUTS, _architecture()).eval()
    image = torch.randn(1, *_SHAPE)
    count = len(Windows.over(_SHAPE, _PATCH, _rule()).boxes)
    ways = {"sparseseg": _ours, "monai": _monai, "nnunet": _nnunet}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.runs):  # in turn, so that all meet the same machine
        for name, work in ways.items():
            seconds[name].append(_timed(work, network, image))
    row = {
        "shape": _SHAPE,
        "patch": _PATCH,
        "windows": count,
        "parameters": sum(p.numel() for p in network.parameters()),
        "threads": torch.get_num_threads(),
        **{f"{name}_seconds": round(median(s), 2) for name, s in seconds.items()},
        **{
            f"{name}_voxels_a_second": round(np.prod(_SHAPE) / median(s))
            for name, s in seconds.items()
        },
    }
    records.append(args.out, row)
    print(json.dumps(row))


def _architecture() -> Architecture:
    return Architecture(
        dims=3,
        widths=(16, 32, 64, 128, 160),
        kernels=(_CUBE,) * 5,
        strides=((1, 1, 1), *(_STEP,) * 4),
        convs=(2,) * 5,
        up_kernels=(_CUBE,) * 4,
        up_convs=(2,) * 4,
    )


def _rule() -> Inference:
    return Inference(normalisers=(Normaliser(kind="none"),), sums="float32", mirror=())


def _ours(network: ConvUNet, image: torch.Tensor) -> None:
    shown = as_network(network, flat=False)
    work = answers(
        [shown], image, _PATCH, _rule(), outputs=_OUTPUTS, box=Box.whole(_SHAPE)
    )
    for _ in work:
        pass


def _monai(network: ConvUNet, image: torch.Tensor) -> None:
    sliding_window_inference(
        image[None],
        _PATCH,
        1,
        lambda window: network(window)[0],
        overlap=0.5,
        mode="gaussian",
        progress=False,
    )


class _Shown(torch.nn.Module):
    """A network that answers at full resolution alone."""

    def __init__(self, network: ConvUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return self.network(window)[0]


def _nnunet(network: ConvUNet, image: torch.Tensor) -> None:
    predictor = nnUNetPredictor(
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.network = _Shown(network)
    predictor.configuration_manager = SimpleNamespace(patch_size=_PATCH)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=_OUTPUTS)
    predictor.allowed_mirroring_axes = None
    predictor._internal_predict_sliding_window_return_logits(
        image, predictor._internal_get_sliding_window_slicers(image.shape[1:]), False
    )


def _timed(
    work: Callable[[ConvUNet, torch.Tensor], None],
    network: ConvUNet,
    image: torch.Tensor,
) -> float:
    begin = time.process_time()
    with torch.inference_mode():
        work(network, image)
    return time.process_time() - begin


if __name__ == "__main__":
    main()
