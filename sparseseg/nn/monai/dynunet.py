"""The DynUNet of MONAI: the U-Net of nnU-Net, with kernels and strides of any shape.

Isensee et al., nnU-Net, Nature Methods 2021.
"""

from collections.abc import Sequence
from typing import Any

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
            [spread(side, dims) for side in sides]
            for sides in (strides, kernel_size, upsample_kernel_size)
        )
        levels = len(steps)
        if len(kernels) != levels or len(rises) != levels - 1:
            raise ValueError(
                f"{len(kernels)} kernels and {len(rises)} on the way up, for {levels}"
            )
        most = _MOST_FEATURES[dims]
        given = more.pop("filters", None)
        own = [min(2 ** (5 + level), most) for level in range(levels)]
        widths = widths_of(own if given is None else given, 3)[:levels]
        style = more.pop("norm_name", ("instance", {"affine": True}))
        act = more.pop("act_name", ("leakyrelu", {"negative_slope": 0.01}))
        bias = bool(more.pop("trans_bias", False))
        make = _ResidualConvs if more.pop("res_block", False) else _Convs
        for name in ("deep_supervision", "deep_supr_num"):
            more.pop(name, None)
        nothing_else(more, {})
        self.outputs, self.width = out_channels, widths[0]
        self.multiple = product(steps, dims)

        def down(place: int) -> nn.Module:
            source = widths[place - 1] if place else in_channels
            return make(source, widths[place], kernels[place], steps[place], style, act)

        self.input_block = down(0)
        self.downsamples = nn.ModuleList(down(i) for i in range(1, levels - 1))
        self.bottleneck = down(levels - 1)
        self.upsamples = nn.ModuleList(
            _UpConvs(
                _risen(widths[i], widths[i - 1], rises[i - 1], steps[i], bias=bias),
                _Convs(
                    2 * widths[i - 1],
                    widths[i - 1],
                    kernels[i],
                    (1,) * dims,
                    style,
                    act,
                ),
            )
            for i in range(levels - 1, 0, -1)
        )
        self.output_block = Bare(Bare(CONV[dims](widths[0], out_channels, 1)))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        x, skips = self.input_block(image), []
        for level in (*self.downsamples, self.bottleneck):
            skips.append(x)
            x = level(x)
        for up in self.upsamples:
            x = up(x, skips.pop())
        return one(self.output_block(x))


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
