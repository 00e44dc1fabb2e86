"""The U-Net of nnU-Net and its kin: stacked or residual convolutions, strided down."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sparseseg.language import say
from sparseseg.nn.sizes import check_multiple

Sides = tuple[int, ...]
"""One whole number for each axis of space: z, y, x, or y, x of a 2-D network."""

# Their arguments are typed apart for two and three dimensions.
_CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_UP: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM: dict[int, Any] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_POOL: dict[int, Any] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_MOST_LEVELS = 12
_MOST_WIDTH = 4096
_MOST_SIDE = 15
_MOST_CONVS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """All that makes one such U-Net differ from another; plain numbers and words."""

    dims: Literal[2, 3]
    widths: tuple[int, ...]
    """Features of each level, full resolution first."""
    kernels: tuple[Sides, ...]
    """Of each level on the way down."""
    strides: tuple[Sides, ...]
    """Into each level; the first is 1."""
    convs: tuple[int, ...]
    """Convolutions of each level on the way down, or blocks if `residual`."""
    up_kernels: tuple[Sides, ...]
    """Of each level on the way up, deepest first."""
    up_convs: tuple[int, ...]
    """Convolutions of each level on the way up, deepest first."""
    residual: bool = False
    conv_bias: bool = True
    up_bias: bool = True
    head_bias: bool = True
    heads: Literal["all", "last"] = "all"
    """Whether each level on the way up has a head."""
    slope: float = 0.01
    """Of the leaky ReLU; 0 is a ReLU."""
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check(self)

    @property
    def multiple(self) -> Sides:
        """What the sides of an image have to be multiples of."""
        sides = [1] * self.dims
        for stride in self.strides:
            sides = [side * step for side, step in zip(sides, stride, strict=True)]
        return tuple(sides)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers and words."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Architecture":
        """Rebuild it; raise `ValueError` or `TypeError` for what is none."""
        lists = {
            name: tuple(map(int, data[name]))
            for name in ("widths", "convs", "up_convs")
        }
        sides = {
            name: tuple(tuple(map(int, side)) for side in data[name])
            for name in ("kernels", "strides", "up_kernels")
        }
        return cls(**{**data, **lists, **sides})


class ConvUNet(nn.Module):
    """Map images (n, c, ...) to logits, full resolution first.

    Convolution, instance normalisation, (leaky) ReLU; the first convolution of a level
    is strided; transposed convolutions lead up; skips are concatenated behind. This is
    nnU-Net's PlainConvUNet and (`residual`) ResidualEncoderUNet, the Generic_UNet of its
    first version, and the 3-D U-Net of MLPerf, which differ in what `Architecture`
    names. While it learns, each level on the way up answers, else the last alone.
    """

    def __init__(self, channels: int, outputs: int, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.outputs = outputs
        width, sources = a.widths, [channels, *a.widths[:-1]]
        self.stem = nn.Sequential()
        if a.residual:
            self.stem.append(_conv(channels, width[0], a.kernels[0], a))
            sources[0] = width[0]
        make = _residual_level if a.residual else _level
        self.encoder = nn.ModuleList(
            make(*shape, a)
            for shape in zip(sources, width, a.convs, a.kernels, a.strides, strict=True)
        )
        levels = list(zip(width[1:], width[:-1], a.strides[1:], strict=True))[::-1]
        self.ups = nn.ModuleList(
            _UP[a.dims](deep, wide, stride, stride=stride, bias=a.up_bias)
            for deep, wide, stride in levels
        )
        self.decoder = nn.ModuleList(
            _level(2 * wide, wide, count, kernel, (1,) * a.dims, a)
            for (_, wide, _), count, kernel in zip(
                levels, a.up_convs, a.up_kernels, strict=True
            )
        )
        answering = levels if a.heads == "all" else levels[-1:]
        self.heads = nn.ModuleList(
            _CONV[a.dims](wide, outputs, 1, bias=a.head_bias)
            for _, wide, _ in answering
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raise `UserError` for a size that the strides do not divide."""
        check_multiple(say("this U-Net"), image.shape[2:], self.architecture.multiple)
        x, skips = self.stem(image), []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        found: list[Tensor] = []
        silent = len(self.ups) - len(self.heads)
        for place, (up, level) in enumerate(zip(self.ups, self.decoder, strict=True)):
            x = level(torch.cat([up(x), skips.pop()], 1))
            is_last = place == len(self.ups) - 1
            if is_last or (self.training and place >= silent):
                found.append(self.heads[place - silent](x))
        return tuple(found[::-1])


class _Residual(nn.Module):
    """Two convolutions beside a pooled, and where needed projected, short cut."""

    def __init__(
        self, source: int, width: int, kernel: Sides, stride: Sides, a: Architecture
    ) -> None:
        super().__init__()
        self.first = _conv(source, width, kernel, a, stride=stride)
        self.second = _conv(width, width, kernel, a, active=False)
        self.skip = nn.Sequential()
        if max(stride) > 1:
            self.skip.append(_POOL[a.dims](stride, stride))
        if source != width:
            point = (1,) * a.dims
            plain = replace(a, conv_bias=False)
            self.skip.append(_conv(source, width, point, plain, active=False))
        self.activation = _activation(a)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.second(self.first(x))
        result: Tensor = self.activation(changed + self.skip(x))
        return result


def _level(
    source: int, width: int, count: int, kernel: Sides, stride: Sides, a: Architecture
) -> nn.Sequential:
    convs = [_conv(source, width, kernel, a, stride=stride)]
    convs += [_conv(width, width, kernel, a) for _ in range(count - 1)]
    return nn.Sequential(*convs)


def _residual_level(
    source: int, width: int, count: int, kernel: Sides, stride: Sides, a: Architecture
) -> nn.Sequential:
    blocks = [_Residual(source, width, kernel, stride, a)]
    same = (1,) * a.dims
    blocks += [_Residual(width, width, kernel, same, a) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


def _conv(
    source: int,
    width: int,
    kernel: Sides,
    a: Architecture,
    *,
    stride: Sides | None = None,
    active: bool = True,
) -> nn.Sequential:
    padding = tuple(side // 2 for side in kernel)
    parts = nn.Sequential(
        _CONV[a.dims](source, width, kernel, stride or 1, padding, bias=a.conv_bias),
        _NORM[a.dims](width, eps=a.epsilon, affine=True),
    )
    if active:
        parts.append(_activation(a))
    return parts


def _activation(a: Architecture) -> nn.Module:
    return nn.LeakyReLU(a.slope, inplace=True) if a.slope else nn.ReLU(inplace=True)


def _initialise(module: nn.Module) -> None:
    if isinstance(
        module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d
    ):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check(a: Architecture) -> None:
    """Raise `ValueError` for what cannot be built, or would fill the memory."""
    levels = len(a.widths)
    counts = {
        "kernels": (len(a.kernels), levels),
        "strides": (len(a.strides), levels),
        "convs": (len(a.convs), levels),
        "up_kernels": (len(a.up_kernels), levels - 1),
        "up_convs": (len(a.up_convs), levels - 1),
    }
    if a.dims not in _CONV or not 2 <= levels <= _MOST_LEVELS:
        raise ValueError(f"a U-Net of {levels} levels in {a.dims} dimensions")
    for name, (found, wanted) in counts.items():
        if found != wanted:
            raise ValueError(f"{found} {name} for {levels} levels")
    _check_range("widths", a.widths, _MOST_WIDTH)
    _check_range("convs", (*a.convs, *a.up_convs), _MOST_CONVS)
    for sides in (*a.kernels, *a.strides, *a.up_kernels):
        if len(sides) != a.dims:
            raise ValueError(f"{sides} in {a.dims} dimensions")
        _check_range("kernels and strides", sides, _MOST_SIDE)
    if max(a.strides[0]) > 1:
        raise ValueError(f"a first level with stride {a.strides[0]}")


def _check_range(name: str, values: Iterable[int], most: int) -> None:
    wrong: Sequence[int] = [value for value in values if not 1 <= value <= most]
    if wrong:
        raise ValueError(f"{name} go from 1 to {most}, got {wrong[0]}")
