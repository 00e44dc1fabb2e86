"""LungNet (Anthimopoulos et al., JBHI 2019): dilated convolutions without pooling."""

import torch
from torch import Tensor, nn

DILATIONS = (1, 1, 2, 3, 5, 8, 13, 21, 34, 55)
"""The Fibonacci numbers."""
WIDTH = 32
_JOINED = 128
_EPSILON = 1e-3
_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}


class LungNet(nn.Module):
    """Map images (n, c, ...) of any size to logits of the same size.

    Ten dilated convolutions in a row; the normalised image and all ten results are
    joined, thinned out by dropout, and classified voxel by voxel. Normalisation is a
    residual: a convolution's result plus its normalised copy, by the statistics of the
    image at hand, in evaluation as well. In 2-D, 1 channel and 6 outputs make 130,056
    parameters, and a pixel sees 287 x 287. `dims` 3 is our transcription (296,520).
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        dims: int = 2,
        width: int = WIDTH,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        convolution = _CONVOLUTIONS[dims]
        self.first = _ResidualNorm(channels)
        sources = [channels, *[width] * (len(DILATIONS) - 1)]
        self.dilated = nn.ModuleList(
            nn.Sequential(
                convolution(source, width, 3, padding=step, dilation=step),
                _ResidualNorm(width),
                nn.ReLU(inplace=True),
            )
            for source, step in zip(sources, DILATIONS, strict=True)
        )
        joined = channels + width * len(DILATIONS)
        self.classify = nn.Sequential(
            nn.Dropout(dropout),
            convolution(joined, _JOINED, 1),
            _ResidualNorm(_JOINED),
            nn.ReLU(inplace=True),
            convolution(_JOINED, WIDTH, 1),
            _ResidualNorm(WIDTH),
            nn.ReLU(inplace=True),
            convolution(WIDTH, outputs, 1),
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits; the softmax is left to the loss."""
        found = [self.first(image)]
        for block in self.dilated:
            found.append(block(found[-1]))
        logits: Tensor = self.classify(torch.cat(found, 1))
        return logits


class _ResidualNorm(nn.Module):
    """x plus x with mean 0 and deviation 1 over the image, scaled and shifted."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        wide = x.float()
        variance, mean = torch.var_mean(wide, axes, correction=0, keepdim=True)
        shape = (1, -1, *[1] * len(axes))
        scale = self.scale.view(shape) * (variance + _EPSILON).rsqrt()
        return x + ((wide - mean) * scale + self.shift.view(shape)).to(x.dtype)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)
