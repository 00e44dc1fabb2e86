"""The DynUNet of MONAI: the U-Net of nnU-Net, with kernels and strides of any shape.

Isensee et al., nnU-Net, Nature Methods 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from sparseseg.nn.monai.parts import (
    CONV,
    UP,
    Bare,
    Named,
    Network,
    Sides,
    activation,
    check_dims,
    norm,
    nothing_else,
    one,
    product,
    spread,
    whole,
    widths_of,
)

_MOST_FEATURES = {2: 512, 3: 320}


class DynUNet(Network):
    """Map images (n, c, ...) to their logits; arguments are those of MONAI's DynUNet.

    Its heads for deep supervision only matter while it learns, and are left out.
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Any],
        strides: Sequence[Any],
        upsample_kernel_size: Sequence[Any],
        **more: Any,
    ) -> None:
        super().__init__()
        dims = check_dims(spatial_dims)
        whole("channels", [in_channels, out_channels], 4096)
        steps, kernels, rises = (
            [spread(side, dims) for side in given]
            for given in (strides, kernel_size, upsample_kernel_size)
        )
        levels = _Levels.of(steps, kernels, rises, in_channels, more)
        self.outputs, self.width = out_channels, levels.widths[0]
        self.multiple = product(levels.strides, dims)
        deepest = len(levels.strides) - 1
        self.input_block = levels.down(0)
        self.downsamples = nn.ModuleList(levels.down(i) for i in range(1, deepest))
        self.bottleneck = levels.down(deepest)
        self.upsamples = nn.ModuleList(levels.up(i) for i in range(deepest, 0, -1))
        self.output_block = Bare(Bare(CONV[dims](self.width, out_channels, 1)))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        x, skips = self.input_block(image), []
        for level in (*self.downsamples, self.bottleneck):
            skips.append(x)
            x = level(x)
        for up in self.upsamples:
            x = up(x, skips.pop())
        return one(self.output_block(x))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Levels:
    """What the blocks of each level are made of, the finest first."""

    strides: list[Sides]
    kernels: list[Sides]
    rises: list[Sides]
    """The kernels on the way up to each level but the deepest."""
    widths: Sequence[int]
    source: int
    """The channels of the image."""
    style: Named
    act: Named
    bias: bool
    """Whether the steps on the way up have one."""
    residual: bool

    @classmethod
    def of(
        cls,
        strides: list[Sides],
        kernels: list[Sides],
        rises: list[Sides],
        source: int,
        more: dict[str, Any],
    ) -> Self:
        """Read MONAI's further arguments; raise `ValueError` for what is not known."""
        count = len(strides)
        if len(kernels) != count or len(rises) != count - 1:
            raise ValueError(
                f"{len(kernels)} kernels and {len(rises)} on the way up, for {count}"
            )
        most = _MOST_FEATURES[len(strides[0])]
        own = [min(2 ** (5 + level), most) for level in range(count)]
        given = more.pop("filters", None)
        levels = cls(
            strides=strides,
            kernels=kernels,
            rises=rises,
            widths=widths_of(own if given is None else given, 3)[:count],
            source=source,
            style=more.pop("norm_name", ("instance", {"affine": True})),
            act=more.pop("act_name", ("leakyrelu", {"negative_slope": 0.01})),
            bias=bool(more.pop("trans_bias", False)),
            residual=bool(more.pop("res_block", False)),
        )
        for name in ("deep_supervision", "deep_supr_num"):
            more.pop(name, None)
        nothing_else(more, {})
        return levels

    def down(self, level: int) -> nn.Module:
        """Return the block that leads down to a level."""
        make = _ResidualConvs if self.residual else _Convs
        source = self.widths[level - 1] if level else self.source
        return make(
            source,
            self.widths[level],
            self.kernels[level],
            self.strides[level],
            self.style,
            self.act,
        )

    def up(self, level: int) -> nn.Module:
        """Return the block that leads from a level up to the finer one."""
        deep, width = self.widths[level], self.widths[level - 1]
        kernel, stride = self.kernels[level], self.strides[level]
        return _UpConvs(
            _risen(deep, width, self.rises[level - 1], stride, bias=self.bias),
            _Convs(2 * width, width, kernel, (1,) * len(kernel), self.style, self.act),
        )


class _Convs(nn.Module):
    def __init__(
        self,
        source: int,
        width: int,
        kernel: Sides,
        stride: Sides,
        style: Named,
        act: Named,
    ) -> None:
        super().__init__()
        dims, plain = len(kernel), (1,) * len(kernel)
        self.conv1 = _conv(source, width, kernel, stride)
        self.conv2 = _conv(width, width, kernel, plain)
        self.norm1 = norm(style, width, dims)
        self.norm2 = norm(style, width, dims)
        self.lrelu = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.lrelu(self._changed(x))
        return found

    def _changed(self, x: Tensor) -> Tensor:
        first = self.lrelu(self.norm1(self.conv1(x)))
        second: Tensor = self.norm2(self.conv2(first))
        return second


class _ResidualConvs(_Convs):
    """The same beside a short cut, which is projected where shapes differ."""

    def __init__(
        self,
        source: int,
        width: int,
        kernel: Sides,
        stride: Sides,
        style: Named,
        act: Named,
    ) -> None:
        super().__init__(source, width, kernel, stride, style, act)
        self.projects = source != width or max(stride) > 1
        if self.projects:
            self.conv3 = _conv(source, width, (1,) * len(kernel), stride)
            self.norm3 = norm(style, width, len(kernel))

    def forward(self, x: Tensor) -> Tensor:
        short = self.norm3(self.conv3(x)) if self.projects else x
        found: Tensor = self.lrelu(self._changed(x) + short)
        return found


class _UpConvs(nn.Module):
    def __init__(self, rise: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.transp_conv = rise
        self.conv_block = block

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        found: Tensor = self.conv_block(torch.cat([self.transp_conv(x), skip], 1))
        return found


def _conv(source: int, width: int, kernel: Sides, stride: Sides) -> nn.Module:
    padding = _padding(kernel, stride)
    layer = CONV[len(kernel)](
        source, width, kernel, stride=stride, padding=padding, bias=False
    )
    return Bare(layer)


def _risen(
    source: int, width: int, kernel: Sides, stride: Sides, *, bias: bool
) -> nn.Module:
    padding = _padding(kernel, stride)
    beyond = tuple(
        2 * edge + step - side
        for edge, step, side in zip(padding, stride, kernel, strict=True)
    )
    if min(beyond) < 0:
        raise ValueError(f"a kernel {kernel} on the way up for the stride {stride}")
    layer = UP[len(kernel)](
        source,
        width,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=beyond,
        bias=bias,
    )
    return Bare(layer)


def _padding(kernel: Sides, stride: Sides) -> Sides:
    if any(side + 1 < step for side, step in zip(kernel, stride, strict=True)):
        raise ValueError(f"a stride {stride} that is larger than its kernel {kernel}")
    return tuple(
        (side - step + 1) // 2 for side, step in zip(kernel, stride, strict=True)
    )
