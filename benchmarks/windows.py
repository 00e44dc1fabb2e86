"""Windows a second: our predictor beside MONAI's, with the same network.

A U-Net of nnU-Net's kind, half its usual width, with random weights, over a volume of
noise; overlap a half, Gaussian weights, no mirroring, single precision. Needs monai
beside sparseseg: `pip install monai`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from monai.inferers import sliding_window_inference

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
    seconds: dict[str, list[float]] = {"sparseseg": [], "monai": []}
    for _ in range(args.runs):  # in turn, so that both meet the same machine
        for name, work in {"sparseseg": _ours, "monai": _theirs}.items():
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
    args.out.write_text(json.dumps(row, indent=1) + "\n")
    print(row)


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


def _theirs(network: ConvUNet, image: torch.Tensor) -> None:
    sliding_window_inference(
        image[None],
        _PATCH,
        1,
        lambda window: network(window)[0],
        overlap=0.5,
        mode="gaussian",
        progress=False,
    )


def _timed(
    work: Callable[[ConvUNet, torch.Tensor], None],
    network: ConvUNet,
    image: torch.Tensor,
) -> float:
    begin = time.perf_counter()
    with torch.inference_mode():
        work(network, image)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
