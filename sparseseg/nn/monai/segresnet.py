"""The SegResNet of MONAI, without its variational branch.

Myronenko, 3D MRI brain tumor segmentation using autoencoder regularization, 2018.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from sparseseg.nn.monai.parts import (
    UP,
    Bare,
    Named,
    Network,
    activation,
    check_dims,
    norm,
    nothing_else,
    one,
    same,
    whole,
    widths_of,
)

_LINEAR = {2: "bilinear", 3: "trilinear"}
_MOST_BLOCKS = 16


class SegResNet(Network):
    """Map images (n, c, ...) to their logits; arguments are those of MONAI's SegResNet."""

    def __init__(
        self,
        *,
        spatial_dims: int = 3,
        init_filters: int = 8,
        in_channels: int = 1,
        out_channels: int = 2,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] = (1, 1, 1),
        **more: Any,
    ) -> None:
        super().__init__()
        dims = check_dims(spatial_dims)
        whole("channels", [in_channels, out_channels, init_filters], 4096)
        whole("blocks", [*blocks_down, *blocks_up], _MOST_BLOCKS)
        if len(blocks_down) != len(blocks_up) + 1:
            raise ValueError(f"{len(blocks_up)} levels up and {len(blocks_down)} down")
        act = more.pop("act", "relu")
        groups = more.pop("num_groups", 8)
        style = more.pop("norm", ("group", {"num_groups": groups}))
        mode = str(more.pop("upsample_mode", "nontrainable")).lower()
        nothing_else(more, {"use_conv_final": True, "norm_name": ""})
        widths = widths_of([init_filters * 2**i for i in range(len(blocks_down))])
        rising = widths[:-1][::-1]
        self.outputs, self.width = out_channels, init_filters
        self.multiple = (2 ** len(blocks_up),) * dims
        block = partial(_PreActivated, style=style, act=act, dims=dims)
        self.convInit = Bare(same(dims, in_channels, init_filters, 3, bias=False))
        self.down_layers = _down_layers(widths, blocks_down, block, dims)
        self.up_layers = nn.ModuleList(
            nn.Sequential(*(block(width) for _ in range(count)))
            for width, count in zip(rising, blocks_up, strict=True)
        )
        self.up_samples = nn.ModuleList(
            _up_sample(mode, width, dims) for width in rising
        )
        self.conv_final = nn.Sequential(
            norm(style, init_filters, dims),
            activation(act),
            Bare(same(dims, init_filters, out_channels, 1)),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        x, skips = self.convInit(image), []
        for level in self.down_layers:
            x = level(x)
            skips.append(x)
        skips.pop()
        for rise, level in zip(self.up_samples, self.up_layers, strict=True):
            x = level(rise(x) + skips.pop())
        return one(self.conv_final(x))


class _PreActivated(nn.Module):
    def __init__(self, width: int, style: Named, act: Named, dims: int) -> None:
        super().__init__()
        self.norm1 = norm(style, width, dims)
        self.norm2 = norm(style, width, dims)
        self.act = activation(act)
        self.conv1 = Bare(same(dims, width, width, 3, bias=False))
        self.conv2 = Bare(same(dims, width, width, 3, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        changed = self.conv1(self.act(self.norm1(x)))
        found: Tensor = self.conv2(self.act(self.norm2(changed))) + x
        return found


def _down_layers(
    widths: Sequence[int],
    counts: Sequence[int],
    block: Callable[[int], nn.Module],
    dims: int,
) -> nn.ModuleList:
    """Return the levels on the way down, each with so many blocks."""
    steps = [nn.Identity(), *(_halved(*ends, dims) for ends in pairwise(widths))]
    return nn.ModuleList(
        nn.Sequential(step, *(block(width) for _ in range(count)))
        for step, width, count in zip(steps, widths, counts, strict=True)
    )


def _up_sample(mode: str, width: int, dims: int) -> nn.Module:
    """Return the step up from a level to the finer one, which has this width."""
    narrowed = Bare(same(dims, 2 * width, width, 1, bias=False))
    return nn.Sequential(narrowed, _risen(mode, width, dims))


def _halved(source: int, width: int, dims: int) -> nn.Module:
    return Bare(same(dims, source, width, 3, stride=2, bias=False))


def _risen(mode: str, width: int, dims: int) -> nn.Module:
    if mode == "nontrainable":
        return nn.Upsample(scale_factor=2, mode=_LINEAR[dims], align_corners=False)
    if mode == "deconv":
        return Bare(UP[dims](width, width, 2, stride=2), "deconv")
    raise ValueError(f"the way up {mode!r} is not known")
