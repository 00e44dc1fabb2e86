"""The 3D U-Net of Çiçek et al. (MICCAI 2016, arXiv 1606.06650): valid convolutions."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.errors import UserError
from sparseseg.language import say

Shape = tuple[int, int, int]

POOLINGS = 3
STRIDE: int = 2**POOLINGS
# What a tile loses on each side: two convolutions a level, on the way down and on
# the way up, each of 1 voxel of its level; the deepest level is passed once.
MARGIN: int = 4 * sum(2**level for level in range(POOLINGS)) + 2 * STRIDE
SMALLEST = 2 * MARGIN + 4


class UNet3d(nn.Module):
    """Map images (n, c, z, y, x) to logits that are 88 voxels smaller along each axis.

    Three poolings; channels double before each pooling, up-convolutions keep theirs
    and have no bias. Batch normalisation always uses the statistics of the current
    batch, in evaluation mode too (paper, section 4). Without its scale and shift the
    trainable parameters are those of the paper: 19,069,955 for 3 channels and
    3 outputs. `affine` adds scale and shift, as the paper's text has it: 19,074,627.
    `width` is the number of channels after the first convolution.
    """

    def __init__(
        self, channels: int, outputs: int, *, affine: bool = False, width: int = 32
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(POOLINGS + 2)]
        sources = [channels, *widths[1:-1]]
        skips = [(deep, skip) for skip, deep in pairwise(widths[1:])][::-1]
        self.encoder = nn.ModuleList(
            _block(source, pair, affine=affine)
            for source, pair in zip(sources, pairwise(widths), strict=True)
        )
        self.upsample = nn.ModuleList(_up_convolution(deep) for deep, _ in skips)
        self.decoder = nn.ModuleList(
            _block(deep + skip, (skip, skip), affine=affine) for deep, skip in skips
        )
        self.head = nn.Conv3d(widths[1], outputs, 1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Raise UserError for a tile that the network cannot halve three times."""
        check_size(image.shape[2:])
        skips = []
        x: Tensor = self.encoder[0](image)
        for block in self.encoder[1:]:
            skips.append(x)
            x = block(F.max_pool3d(x, 2))
        for upsample, block in zip(self.upsample, self.decoder, strict=True):
            x = upsample(x)
            x = block(torch.cat([_centre(skips.pop(), x.shape[2:]), x], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _block(source: int, widths: tuple[int, int], *, affine: bool) -> nn.Sequential:
    first, second = widths
    return nn.Sequential(
        *_convolution(source, first, affine=affine),
        *_convolution(first, second, affine=affine),
    )


def _convolution(source: int, width: int, *, affine: bool) -> tuple[nn.Module, ...]:
    return (
        nn.Conv3d(source, width, 3),
        nn.BatchNorm3d(width, affine=affine, track_running_stats=False),
        nn.ReLU(inplace=True),
    )


def _up_convolution(width: int) -> nn.ConvTranspose3d:
    return nn.ConvTranspose3d(width, width, 2, stride=2, bias=False)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.ConvTranspose3d):
        # Stride and kernel are equal, so a voxel sees one tap a channel, not eight.
        nn.init.normal_(module.weight, std=math.sqrt(2 / module.in_channels))


def _centre(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Crop the spatial axes to `shape`, as much from one side as from the other."""
    for axis, size in enumerate(shape, start=2):
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


def legal_size(size: int) -> bool:
    """Tell whether a tile may have this many voxels along an axis."""
    return size >= SMALLEST and _legal_below(size) == size


def _legal_below(size: int) -> int:
    return size - (size - SMALLEST) % STRIDE


def check_size(shape: Sequence[int]) -> None:
    """Raise UserError, with the nearest legal sizes, unless a (z, y, x) tile fits."""
    wrong = [
        say(
            "got {size} across {axis}, the nearest {nearest}",
            size=size,
            axis=axis,
            nearest=_nearest(size),
        )
        for axis, size in zip("zyx", shape, strict=True)
        if not legal_size(size)
    ]
    if wrong:
        sizes = (SMALLEST + step * STRIDE for step in range(3))
        raise UserError(
            "3D U-Net tiles are {stride}k + 4 voxels with k >= {least} ({sizes}, ...): "
            "{wrong}",
            stride=STRIDE,
            least=SMALLEST // STRIDE,
            sizes=", ".join(map(str, sizes)),
            wrong="; ".join(wrong),
        )


def _nearest(size: int) -> str:
    if size < SMALLEST:
        return say("is {size}", size=SMALLEST)
    below = _legal_below(size)
    return say("are {below} and {above}", below=below, above=below + STRIDE)


def output_size(tile: Shape) -> Shape:
    """Return the (z, y, x) shape that the network writes for a legal tile."""
    check_size(tile)
    z, y, x = (size - 2 * MARGIN for size in tile)
    return z, y, x


def tile_for(shape: Shape, limit: Shape) -> Shape:
    """Return the smallest legal tile whose output covers `shape`, within `limit`.

    Where that tile would pass `limit` along an axis, it is the largest legal size
    there. Raises UserError where the limit leaves no legal tile.
    """
    if min(limit) < SMALLEST:
        raise UserError(
            "3D U-Net tiles need {smallest} voxels along each axis: raise the limit "
            "from {limit}",
            smallest=SMALLEST,
            limit=min(limit),
        )
    covering = (_legal_below(wanted + 2 * MARGIN + STRIDE - 1) for wanted in shape)
    z, y, x = map(min, covering, map(_legal_below, limit))
    return z, y, x
