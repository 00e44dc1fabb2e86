"""How fast this machine convolves, against how fast it multiplies matrices."""

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

_RUNS = 3
_CHANNELS, _SIDE, _KERNEL = 16, 40, 3
_MATRIX = 1024


@dataclass(frozen=True, slots=True)
class Speeds:
    """Rates in GFLOP/s, forward only."""

    conv3d: float
    conv3d_bfloat16: float
    matmul: float


def measure_speeds(device: "torch.device") -> Speeds:
    """Time a small 3-D convolution and a matrix product, in well under a second each."""
    import torch

    image = torch.randn(1, _CHANNELS, _SIDE, _SIDE, _SIDE, device=device)
    kernel = torch.randn(_CHANNELS, _CHANNELS, *(_KERNEL,) * 3, device=device)
    matrix = torch.randn(_MATRIX, _MATRIX, device=device)
    half_image, half_kernel = (
        tensor.bfloat16().contiguous(memory_format=torch.channels_last_3d)
        for tensor in (image, kernel)
    )
    conv3d = torch.nn.functional.conv3d
    voxels = (_SIDE - _KERNEL + 1) ** 3
    conv_work = 2 * voxels * _CHANNELS**2 * _KERNEL**3
    with torch.inference_mode():
        return Speeds(
            _rate(lambda: conv3d(image, kernel), conv_work),
            _rate(lambda: conv3d(half_image, half_kernel), conv_work),
            _rate(lambda: matrix @ matrix, 2 * _MATRIX**3),
        )


def _rate(work: "Callable[[], torch.Tensor]", operations: int) -> float:
    _finish(work())  # the first run sets things up
    return operations / median(_seconds(work) for _ in range(_RUNS)) / 1e9


def _seconds(work: "Callable[[], torch.Tensor]") -> float:
    begin = time.perf_counter()
    _finish(work())
    return time.perf_counter() - begin


def _finish(result: "torch.Tensor") -> None:
    """Wait for a result: reading one number of it needs the whole."""
    result.flatten()[0].item()
