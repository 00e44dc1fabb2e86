"""The UNet of MONAI: residual units on the way down, strided convolutions.

Kerfoot et al., Left-Ventricle Quantification Using Residual U-Net, 2018.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sparseseg.nn.monai.parts import (
    CONV,
    UP,
    Bare,
    Convolution,
    Named,
    Network,
    Sides,
    check_dims,
    nothing_else,
    one,
    product,
    same,
    spread,
    whole,
    widths_of,
)

_MOST_UNITS = 16


@dataclass(frozen=True)
class _Style:
    dims: int
    kernel: Sides
    up_kernel: Sides
    units: int
    act: Named
    norm: Named
    bias: bool
    ordering: str

    def conv(self, source: int, width: int, stride: Sides, *, bare: bool) -> nn.Module:
        layer = same(
            self.dims, source, width, self.kernel, stride=stride, bias=self.bias
        )
        return Bare(layer) if bare else self.finished(layer, width)

    def up(self, source: int, width: int, stride: Sides, *, bare: bool) -> nn.Module:
        """Return what makes an image larger; `bare` without what follows a convolution."""
        layer = UP[self.dims](
            source,
            width,
            self.up_kernel,
            stride=stride,
            padding=tuple((side - 1) // 2 for side in self.up_kernel),
            output_padding=tuple(step - 1 for step in stride),
            bias=self.bias,
        )
        return Bare(layer) if bare else self.finished(layer, width)

    def finished(self, layer: nn.Module, width: int) -> nn.Module:
        """Return a convolution with the norm and the activation that follow it."""
        return Convolution(
            layer,
            width,
            self.dims,
            act=self.act,
            normal=self.norm,
            ordering=self.ordering,
        )


class StridedUNet(Network):
    """Map images (n, c, ...) to their logits; arguments are those of MONAI's UNet."""

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        strides: Sequence[Any],
        **more: Any,
    ) -> None:
        super().__init__()
        dims = check_dims(spatial_dims)
        widths = widths_of(channels)
        steps = [spread(stride, dims) for stride in strides[: len(widths) - 1]]
        if len(steps) < len(widths) - 1:
            raise ValueError(f"{len(steps)} strides for {len(widths)} levels")
        style = _style(dims, more)
        whole("channels", [in_channels, out_channels], 4096)
        self.outputs, self.width = out_channels, widths[0]
        self.multiple = product(steps, dims)
        self.model = _level(in_channels, out_channels, widths, steps, style, top=True)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        return one(self.model(image))


class _Skip(nn.Module):
    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.submodule(x)], 1)


class _Unit(nn.Module):
    """Convolutions beside a short cut, which is projected where shapes differ."""

    def __init__(
        self,
        source: int,
        width: int,
        style: _Style,
        *,
        stride: Sides,
        units: int,
        bare: bool = False,
    ) -> None:
        super().__init__()
        plain = (1,) * style.dims
        self.conv = nn.Sequential(
            OrderedDict(
                (
                    f"unit{place}",
                    style.conv(
                        width if place else source,
                        width,
                        plain if place else stride,
                        bare=bare and place == units - 1,
                    ),
                )
                for place in range(units)
            )
        )
        self.residual: nn.Module = nn.Identity()
        if max(stride) > 1:
            self.residual = same(
                style.dims, source, width, style.kernel, stride=stride, bias=style.bias
            )
        elif source != width:
            self.residual = CONV[style.dims](source, width, 1, bias=style.bias)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x) + self.residual(x)
        return found


def _style(dims: int, more: dict[str, Any]) -> _Style:
    known = {
        "kernel_size": 3,
        "up_kernel_size": 3,
        "num_res_units": 0,
        "act": "prelu",
        "norm": "instance",
        "bias": True,
        "adn_ordering": "NDA",
    }
    nothing_else({n: v for n, v in more.items() if n not in known}, {})
    chosen = {**known, **{n: v for n, v in more.items() if n in known}}
    units = chosen["num_res_units"]
    if units:
        whole("residual units", [units], _MOST_UNITS)
    return _Style(
        dims,
        spread(chosen["kernel_size"], dims),
        spread(chosen["up_kernel_size"], dims),
        int(units),
        chosen["act"],
        chosen["norm"],
        bool(chosen["bias"]),
        str(chosen["adn_ordering"]),
    )


def _level(
    source: int,
    outputs: int,
    widths: Sequence[int],
    steps: Sequence[Sides],
    style: _Style,
    *,
    top: bool = False,
) -> nn.Module:
    width, deeper = widths[0], widths[1]
    if len(widths) > 2:
        inner = _level(width, width, widths[1:], steps[1:], style)
        joined = 2 * width
        # The level below answers with as many features as it is given.
    else:
        inner = _down(width, deeper, (1,) * style.dims, style)
        joined = width + deeper
    return nn.Sequential(
        _down(source, width, steps[0], style),
        _Skip(inner),
        _up(joined, outputs, steps[0], style, top=top),
    )


def _down(source: int, width: int, stride: Sides, style: _Style) -> nn.Module:
    if style.units:
        return _Unit(source, width, style, stride=stride, units=style.units)
    return style.conv(source, width, stride, bare=False)


def _up(
    source: int, width: int, stride: Sides, style: _Style, *, top: bool
) -> nn.Module:
    conv = style.up(source, width, stride, bare=top and not style.units)
    if not style.units:
        return conv
    plain = (1,) * style.dims
    return nn.Sequential(
        conv, _Unit(width, width, style, stride=plain, units=1, bare=top)
    )
