"""The BasicUNet of MONAI: four poolings, two convolutions a level.

Falk et al., U-Net: deep learning for cell counting, Nature Methods 2019.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.nn.monai.parts import (
    CONV,
    POOL,
    UP,
    Bare,
    Convolution,
    Network,
    check_dims,
    nothing_else,
    one,
    same,
    whole,
    widths_of,
)

_FEATURES = 6


class BasicUNet(Network):
    """Map images (n, c, ...) to their logits; arguments are those of MONAI's BasicUNet."""

    def __init__(
        self,
        *,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        features: Sequence[int] = (32, 32, 64, 128, 256, 32),
        **more: Any,
    ) -> None:
        super().__init__()
        dims = check_dims(spatial_dims)
        a, b, c, d, e, f = _six(features)
        whole("channels", [in_channels, out_channels], 4096)
        act = more.pop("act", ("leakyrelu", {"negative_slope": 0.1, "inplace": True}))
        norm = more.pop("norm", ("instance", {"affine": True}))
        bias = bool(more.pop("bias", True))
        nothing_else(more, {"upsample": "deconv"})
        self.outputs, self.width, self.multiple = out_channels, a, (16,) * dims

        def pair(source: int, width: int) -> nn.Sequential:
            result = nn.Sequential()
            for name, first in (("conv_0", source), ("conv_1", width)):
                layer = same(dims, first, width, 3, bias=bias)
                finished = Convolution(layer, width, dims, act=act, normal=norm)
                result.add_module(name, finished)
            return result

        self.conv_0 = pair(in_channels, a)
        self.down_1 = _Down(pair(a, b), dims)
        self.down_2 = _Down(pair(b, c), dims)
        self.down_3 = _Down(pair(c, d), dims)
        self.down_4 = _Down(pair(d, e), dims)
        self.upcat_4 = _Up(e, e // 2, pair(d + e // 2, d), dims)
        self.upcat_3 = _Up(d, d // 2, pair(c + d // 2, c), dims)
        self.upcat_2 = _Up(c, c // 2, pair(b + c // 2, b), dims)
        self.upcat_1 = _Up(b, b, pair(a + b, f), dims)
        self.final_conv = CONV[dims](f, out_channels, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        skips = [self.conv_0(image)]
        for down in (self.down_1, self.down_2, self.down_3, self.down_4):
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in (self.upcat_4, self.upcat_3, self.upcat_2, self.upcat_1):
            x = up(x, skips.pop())
        return one(self.final_conv(x))


class _Down(nn.Module):
    def __init__(self, convs: nn.Module, dims: int) -> None:
        super().__init__()
        self.pool = POOL[dims](2)
        self.convs = convs

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.convs(self.pool(x))
        return found


class _Up(nn.Module):
    def __init__(self, source: int, width: int, convs: nn.Module, dims: int) -> None:
        super().__init__()
        self.upsample = Bare(UP[dims](source, width, 2, stride=2), "deconv")
        self.convs = convs

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Double the sides of `x` (n, c, ...), and convolve it with what was skipped."""
        risen = self.upsample(x)
        # A side that was odd before the pooling lost a voxel.
        lost = [
            side
            for old, new in zip(skip.shape[:1:-1], risen.shape[:1:-1], strict=True)
            for side in (0, old - new)
        ]
        if any(lost):
            risen = F.pad(risen, lost, "replicate")
        found: Tensor = self.convs(torch.cat([skip, risen], 1))
        return found


def _six(features: Sequence[int]) -> list[int]:
    if len(features) != _FEATURES:
        raise ValueError(f"{len(features)} features, and a BasicUNet has {_FEATURES}")
    return widths_of(features)
