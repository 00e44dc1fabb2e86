"""MSS U-Net (Zhao and Zeng 2019, arXiv 1908.03204): a U-Net supervised at all scales."""

import torch
from torch import Tensor, nn

from sparseseg.boxes import Triple
from sparseseg.nn.sizes import check_multiple

WIDTH = 30
MOST = 320
STRIDES: tuple[Triple, ...] = ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
"""Into each level but the first, z, y, x."""
MULTIPLE: Triple = (8, 32, 32)
HEAD_WEIGHTS = (0.6, 0.1, 0.1, 0.1, 0.1)
"""Of the losses, full resolution first."""
_PLANE: Triple = (1, 3, 3)
_CUBE: Triple = (3, 3, 3)


class MSSUNet(nn.Module):
    """Map images (n, c, z, y, x) to five logits, full resolution first.

    Six resolutions, strided convolutions down, transposed ones up, instance
    normalisation and leaky ReLU. The first level's kernels are flat across z on the way
    down, and cubes on the way up, as in the released code. 29,642,540 parameters for 1
    channel and 3 outputs; 29,659,280 where all kernels are cubes (`flat` False).
    """

    def __init__(
        self, channels: int, outputs: int, *, width: int = WIDTH, flat: bool = True
    ) -> None:
        super().__init__()
        most = MOST * width // WIDTH
        widths = [min(width * 2**level, most) for level in range(len(STRIDES) + 1)]
        strides: list[Triple] = [(1, 1, 1), *STRIDES]
        kernels = [_PLANE if flat else _CUBE, *[_CUBE] * len(STRIDES)]
        sources = [channels, *widths[:-1]]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *_convolution(source, wide, kernel, stride),
                *_convolution(wide, wide, kernel),
            )
            for source, wide, kernel, stride in zip(
                sources, widths, kernels, strides, strict=True
            )
        )
        levels = list(zip(widths[1:], widths[:-1], STRIDES, strict=True))[::-1]
        self.ups = nn.ModuleList(
            nn.ConvTranspose3d(deep, wide, stride, stride=stride, bias=False)
            for deep, wide, stride in levels
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                *_convolution(2 * wide, wide, _CUBE), *_convolution(wide, wide, _CUBE)
            )
            for _, wide, _ in levels
        )
        self.heads = nn.ModuleList(
            nn.Conv3d(wide, outputs, 1, bias=False) for _, wide, _ in levels
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raise `UserError` for a size that the strides do not divide."""
        check_multiple("MSS U-Net", image.shape[2:], MULTIPLE)
        skips: list[Tensor] = []
        x = image
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        skips.pop()
        found: list[Tensor] = []
        for up, block, head in zip(self.ups, self.decoder, self.heads, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
            found.append(head(x))
        return tuple(found[::-1])


def _convolution(
    source: int, width: int, kernel: Triple, stride: Triple = (1, 1, 1)
) -> tuple[nn.Module, ...]:
    z, y, x = (side // 2 for side in kernel)
    return (
        nn.Conv3d(source, width, kernel, stride, (z, y, x)),
        nn.InstanceNorm3d(width, eps=1e-5, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
