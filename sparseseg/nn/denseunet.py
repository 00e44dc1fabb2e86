"""The dense U-Nets of H-DenseUNet (Li et al., TMI 2018): 2-D (167) and 3-D (65)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.errors import UserError
from sparseseg.nn.sizes import check_multiple

FEATURES = 64
_EPSILON = 1.1e-5
_WIDENING = 4
_DROPOUT = 0.3
_LINEAR = {2: "bilinear", 3: "trilinear"}
_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_MAX_POOLS = {2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOLS = {2: F.avg_pool2d, 3: F.avg_pool3d}


@dataclass(frozen=True, slots=True)
class DenseLayout:
    """The numbers of one dense U-Net."""

    dims: int
    first: int
    growth: int
    blocks: tuple[int, int, int, int]
    decoder: tuple[int, int, int, int]
    """Widths of the up-convolutions but the last, which has 64."""
    multiple: tuple[int, ...]

    @property
    def dense(self) -> tuple[int, ...]:
        """The channels after each dense block."""
        width, found = self.first, []
        for count in self.blocks:
            width += count * self.growth
            found.append(width)
            width //= 2
        return tuple(found)


LAYOUT_2D = DenseLayout(2, 96, 48, (6, 12, 36, 24), (768, 384, 96, 96), (32, 32))
LAYOUT_3D = DenseLayout(3, 96, 32, (3, 4, 12, 8), (504, 224, 192, 96), (4, 32, 32))


class DenseUNet(nn.Module):
    """Map images (n, c, ...) to 64 features and to logits, both of the image's size.

    2-D, 3 channels, 3 outputs: 49,527,843 parameters, 44,862,339 without U-connections
    (the lift of the third skip is what they need). 3-D, 4 channels, 3 outputs:
    16,227,955 and 15,977,467. In 2-D a skip is added before the convolution, as
    released; in 3-D after it, which is where the published widths fit. Up-sampling is
    linear, as the paper says; `nearest` is what the released code does. Each batch
    normalisation has one scale and shift; the separate Scale layer of the released code
    would count them twice.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        layout: DenseLayout = LAYOUT_2D,
        *,
        connections: bool = True,
        nearest: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.connected = connections
        dims, dense = layout.dims, layout.dense
        self._mode = "nearest" if nearest else _LINEAR[dims]
        convolution = _CONVOLUTIONS[dims]
        self.first = nn.Sequential(
            convolution(channels, layout.first, 7, 2, 3, bias=False),
            *_norm_relu(layout.first, dims),
        )
        sources = [layout.first, *(width // 2 for width in dense[:-1])]
        self.blocks = nn.ModuleList(
            _DenseBlock(source, count, layout.growth, dims)
            for source, count in zip(sources, layout.blocks, strict=True)
        )
        self.transitions = nn.ModuleList(
            nn.Sequential(*_norm_relu(n, dims), convolution(n, n // 2, 1, bias=False))
            for n in dense[:-1]
        )
        self.last = nn.Sequential(*_norm_relu(dense[-1], dims))
        skip = dense[-1] if dims == 2 else layout.decoder[0]
        self.lift = convolution(dense[2], skip, 1) if connections else None
        widths = [dense[-1], *layout.decoder, FEATURES]
        self.decoder = nn.ModuleList(
            _up_block(source, width, dims, last=place == len(layout.decoder))
            for place, (source, width) in enumerate(pairwise(widths))
        )
        self.head = convolution(FEATURES, outputs, 1)
        self.apply(_initialise)

    def connect(self, *, wanted: bool) -> None:
        """Use the U-connections or not; what is not used does not learn."""
        self.connected = wanted and self.lift is not None
        if self.lift is not None and not wanted:
            self.lift.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits; raise `UserError` for sides it cannot halve."""
        check_multiple("H-DenseUNet", image.shape[2:], self.layout.multiple)
        x, levels = self._encoded(image)
        for place, block in enumerate(self.decoder):
            level = levels.pop()
            x = self._up(x, level)
            if self.layout.dims == 2:
                x = block(self._connected(x, level, place))
            else:
                x = self._connected(block(x), level, place)
        logits: Tensor = self.head(x)
        return x, logits

    def _encoded(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the deepest features, and the levels above them, deepest last."""
        dims = self.layout.dims
        x = self.first(image)
        levels = [image, x]
        x = _MAX_POOLS[dims](x, 3, 2, 1)
        halves = (2, 2) if dims == 2 else (1, 2, 2)
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place < len(self.transitions):
                levels.append(x)
                x = _AVERAGE_POOLS[dims](self.transitions[place](x), halves)
        return self.last(x), levels

    def _up(self, x: Tensor, like: Tensor) -> Tensor:
        linear = {} if self._mode == "nearest" else {"align_corners": False}
        return F.interpolate(x, size=like.shape[2:], mode=self._mode, **linear)

    def _connected(self, x: Tensor, level: Tensor, place: int) -> Tensor:
        """Add the level of the encoder; the image itself, which is last, is none."""
        if self.lift is None or not self.connected or place == len(self.decoder) - 1:
            return x
        return x + (self.lift(level) if place == 0 else level)


def load_densenet161(network: DenseUNet, weights: Mapping[str, Tensor]) -> None:
    """Start the encoder from a state dict with torchvision's DenseNet-161 names.

    The first convolution is averaged over and repeated where the channels differ.
    Raises `UserError` for weights of another network.
    """
    own = network.state_dict()
    renamed = {}
    for name, tensor in weights.items():
        mine = _torchvision_name(name)
        if mine in own:
            renamed[mine] = tensor
    first = renamed.get("first.0.weight")
    if first is not None and first.shape[1] != own["first.0.weight"].shape[1]:
        count = own["first.0.weight"].shape[1]
        mean = first.mean(1, keepdim=True) * first.shape[1] / count
        renamed["first.0.weight"] = mean.expand(-1, count, -1, -1)
    encoder = {
        name
        for name in own
        if name.startswith(("first.", "blocks.", "transitions.", "last."))
        and not name.endswith("num_batches_tracked")
    }
    wrong = [n for n in encoder if n not in renamed or renamed[n].shape != own[n].shape]
    if wrong:
        raise UserError(
            "these are not the weights of DenseNet-161 ({count} of "
            "{count_encoder} tensors do not fit, {wrong} for one): give torchvision's "
            "densenet161 state dict",
            count=len(wrong),
            count_encoder=len(encoder),
            wrong=min(wrong),
        )
    network.load_state_dict({**own, **renamed})


def _torchvision_name(name: str) -> str:
    """Return our name of a tensor; older files write norm.1 for norm1."""
    name = re.sub(r"(norm|conv)\.(\d)", r"\1\2", name.removeprefix("features."))
    for pattern, mine in _TORCHVISION:
        if found := re.fullmatch(pattern, name):
            numbers = [int(part) - 1 for part in found.groups()[:-1]]
            return mine.format(*numbers, found.groups()[-1])
    return ""


_UNIT = r"denseblock(\d)\.denselayer(\d+)\."
_TORCHVISION = (
    (r"conv0\.(\w+)", "first.0.{}"),
    (r"norm0\.(\w+)", "first.1.{}"),
    (_UNIT + r"norm1\.(\w+)", "blocks.{}.units.{}.0.{}"),
    (_UNIT + r"conv1\.(\w+)", "blocks.{}.units.{}.2.{}"),
    (_UNIT + r"norm2\.(\w+)", "blocks.{}.units.{}.3.{}"),
    (_UNIT + r"conv2\.(\w+)", "blocks.{}.units.{}.5.{}"),
    (r"transition(\d)\.norm\.(\w+)", "transitions.{}.0.{}"),
    (r"transition(\d)\.conv\.(\w+)", "transitions.{}.2.{}"),
    (r"norm5\.(\w+)", "last.0.{}"),
)


class _DenseBlock(nn.Module):
    """Units that each see all before them and add `growth` channels."""

    def __init__(self, source: int, count: int, growth: int, dims: int) -> None:
        super().__init__()
        convolution, wide = _CONVOLUTIONS[dims], _WIDENING * growth
        self.units = nn.ModuleList(
            nn.Sequential(
                *_norm_relu(source + place * growth, dims),
                convolution(source + place * growth, wide, 1, bias=False),
                *_norm_relu(wide, dims),
                convolution(wide, growth, 3, padding=1, bias=False),
            )
            for place in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = torch.cat([x, unit(x)], 1)
        return x


def _norm_relu(width: int, dims: int) -> tuple[nn.Module, nn.Module]:
    return _NORMS[dims](width, eps=_EPSILON), nn.ReLU()


def _up_block(source: int, width: int, dims: int, *, last: bool) -> nn.Sequential:
    dropout = [nn.Dropout(_DROPOUT)] if last and dims == 2 else []
    return nn.Sequential(
        _CONVOLUTIONS[dims](source, width, 3, padding=1),
        *dropout,
        _NORMS[dims](width),
        nn.ReLU(),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
