"""UNet++ (Zhou et al., DLMIA 2018, TMI 2020), in 2-D and 3-D, and its baselines.

Written from the paper. Node x(i, j) lies at depth i, j steps along the skip path; a
node with j > 0 sees all nodes to its left and, upsampled, the one below it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.nn.sizes import check_multiple

HEADS = (1, 2, 3, 4)
WIDTHS = (32, 64, 128, 256, 512)
WIDE = (35, 70, 140, 280, 560)
_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_UP_CONVOLUTIONS = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOLS = {2: F.max_pool2d, 3: F.max_pool3d}


class UNetPlusPlus(nn.Module):
    """Map images (n, c, ...) to the logits of each head, the deepest first.

    `heads` names the depths j at which there is a head on x(0, j); deep supervision is
    to have all of them. There are the nodes with i + j <= the deepest head and no
    others: a network with head k alone is what is left of one that was pruned to it,
    and its weights have the same names. For 1 channel and 1 output, 2-D, there are
    100,961, 511,105, 2,204,961 and 9,041,601 parameters with head 1, 2, 3 or 4 alone.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        dims: int = 2,
        heads: Sequence[int] = HEADS,
        widths: Sequence[int] = WIDTHS,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.depth = max(heads)
        self._pool = _POOLS[dims]
        self._steps = (2**self.depth,) * dims
        self.nodes = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        for i, j in _nodes(self.depth):
            below = widths[i - 1] if i else channels
            source = (j + 1) * widths[i] if j else below
            self.nodes[_key(i, j)] = _block(source, widths[i], dims, dropout)
            if j:
                up = _UP_CONVOLUTIONS[dims](widths[i + 1], widths[i], 2, stride=2)
                self.ups[_key(i, j)] = up
        self.heads = nn.ModuleDict(
            {str(j): _CONVOLUTIONS[dims](widths[0], outputs, 1) for j in heads}
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raise `UserError` for sides that cannot be halved `depth` times."""
        check_multiple("UNet++", image.shape[2:], self._steps)
        found: dict[tuple[int, int], Tensor] = {}
        for i, j in _nodes(self.depth):
            if j:
                up = self.ups[_key(i, j)](found[i + 1, j - 1])
                x = torch.cat([up, *(found[i, left] for left in range(j))], 1)
            else:
                x = self._pool(found[i - 1, 0], 2) if i else image
            found[i, j] = self.nodes[_key(i, j)](x)
        return tuple(
            self.heads[j](found[0, int(j)]) for j in sorted(self.heads, reverse=True)
        )


class UNet(nn.Module):
    """The U-Net that UNet++ is compared with: the same blocks, plain skips.

    7,759,521 parameters for 1 channel and 1 output in 2-D; 9,282,246 with `WIDE`
    widths, where the paper prints 9.13 million.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        dims: int = 2,
        widths: Sequence[int] = WIDTHS,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self._pool = _POOLS[dims]
        self._steps = (2 ** (len(widths) - 1),) * dims
        sources = [channels, *widths[:-1]]
        self.encoder = nn.ModuleList(
            _block(source, width, dims, dropout)
            for source, width in zip(sources, widths, strict=True)
        )
        pairs = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.ups = nn.ModuleList(
            _UP_CONVOLUTIONS[dims](deep, width, 2, stride=2) for deep, width in pairs
        )
        self.decoder = nn.ModuleList(
            _block(2 * width, width, dims, dropout) for _, width in pairs
        )
        self.head = _CONVOLUTIONS[dims](widths[0], outputs, 1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Raise `UserError` for sides that cannot be halved often enough."""
        check_multiple("U-Net", image.shape[2:], self._steps)
        skips = [self.encoder[0](image)]
        for block in self.encoder[1:]:
            skips.append(block(self._pool(skips[-1], 2)))
        x = skips.pop()
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
        return (self.head(x),)


def _nodes(depth: int) -> list[tuple[int, int]]:
    """Return the nodes (i, j) in an order in which each finds what it sees."""
    return [(total - j, j) for total in range(depth + 1) for j in range(total + 1)]


def _key(i: int, j: int) -> str:
    return f"{i}_{j}"


def _block(source: int, width: int, dims: int, dropout: float) -> nn.Sequential:
    """Return two convolutions, each with ReLU and dropout; no normalisation."""
    layers: list[nn.Module] = []
    for channels in (source, width):
        layers += [
            _CONVOLUTIONS[dims](channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        ]
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    """Draw weights as the released code does: its up-convolutions leave it to Keras.

    Without Glorot's smaller weights there, dropout makes the deepest head start with
    logits in the hundreds.
    """
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.xavier_uniform_(module.weight)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
