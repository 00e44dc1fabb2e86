"""A plain 3-D U-Net that is asked for one class at a time.

Asked so, it serves any number of classes: what it learned on one volume, or on made-up
ones, holds for others whose classes are others. Kernels and poolings follow the voxel
size (after Isensee et al., Nature Methods 2021), but the weights are the same for all
voxel sizes. Weights are standardised instead of activations (Qiao et al., 2019; gains of
Brock et al., ICLR 2021), so that an answer does not depend on how a volume is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparseseg.boxes import Triple

WIDTHS = (12, 24, 48, 72)
# A ReLU keeps this much of the deviation of a standard normal input.
_GAIN = 1.7139588594436646
# An axis is coarse where its voxels are this much longer than the shortest.
_COARSE = 2.0
_GUIDES = 2
_TINY = 1e-4


@dataclass(frozen=True, slots=True)
class Resolution:
    """How one level of the network looks at its voxels, axes z, y, x."""

    coarse: tuple[int, ...]
    """Axes along which a kernel sees no neighbours."""
    pooling: Triple
    """The factors by which the next level is coarser; 1, 1, 1 at the deepest."""


def levels_for(anisotropy: Sequence[float], count: int) -> tuple[Resolution, ...]:
    """Return the levels for voxels with sides in this proportion, the finest first."""
    sides = list(anisotropy)
    found = []
    for number in range(count):
        coarse = [side >= _COARSE * min(sides) for side in sides]
        z, y, x = (1 if number == count - 1 or is_coarse else 2 for is_coarse in coarse)
        found.append(Resolution(tuple(i for i in range(3) if coarse[i]), (z, y, x)))
        sides = [s * f for s, f in zip(sides, (z, y, x), strict=True)]
    return tuple(found)


def reach_of(levels: Sequence[Resolution]) -> Triple:
    """Return how many voxels z, y, x beyond a voxel its answer depends on, at most."""
    reach, scale = [0, 0, 0], [1, 1, 1]
    for number, level in enumerate(levels):
        passes = 2 if number == len(levels) - 1 else 4  # down, and up again
        for axis in range(3):
            seen = 0 if axis in level.coarse else passes * scale[axis]
            scale[axis] *= level.pooling[axis]
            # A voxel shares its cell of the next level with others.
            reach[axis] += seen + (scale[axis] if level.pooling[axis] > 1 else 0)
    z, y, x = reach
    return z, y, x


def grid_of(levels: Sequence[Resolution]) -> Triple:
    """Return of what the sides of an input have to be multiples."""
    grid = torch.tensor([level.pooling for level in levels]).prod(0)
    z, y, x = (int(side) for side in grid)
    return z, y, x


class ClassUNet3d(nn.Module):
    """Map images and guidance to one logit for each class that is asked for.

    `anisotropy` are the sides of a voxel z, y, x in proportion. The channels of an input
    are the image; with `coordinates`, where in the foreground the voxel lies (3); how
    near an annotated slice is (0..1); then, for each class that is asked for, how far
    inside of it the voxel should be (-1..1). Guidance is 0 where there is none; then a
    class is known by what was learned of it alone (`asked`), which begins at 0.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        anisotropy: Sequence[float] = (1.0, 1.0, 1.0),
        widths: Sequence[int] = WIDTHS,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        first, *deeper = widths
        self.outputs = outputs
        self.levels = levels_for(anisotropy, len(widths))
        self.image = _Convolution(channels, first)
        self.place = nn.Conv3d(3, first, 1, bias=False) if coordinates else None
        self.guide = _Convolution(_GUIDES, first)
        self.entry = _Convolution(first, first)
        self.down = nn.ModuleList(
            _Pair(source, width)
            for source, width in zip(widths[:-1], deeper, strict=True)
        )
        self.up = nn.ModuleList(
            _Pair(deep + skip, skip)
            for deep, skip in zip(deeper[::-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv3d(first, 1, 1)
        self.asked = nn.ParameterList(
            nn.Parameter(torch.zeros(outputs, width))
            for width in (*widths, *widths[-2::-1], first)
        )

    def forward(self, inputs: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return logits (n, m, z, y, x) of m classes for inputs (n, c + 1 + m, z, y, x).

        `asked` (m) are the indices of the classes, all in order if it is not given.
        Sides are multiples of `grid_of(levels)`.
        """
        if asked is None:
            asked = torch.arange(self.outputs, device=inputs.device)
        count, m = len(inputs), len(asked)
        sizes = [inputs.shape[1] - 1 - m, 1, m]
        alone, near, inside = torch.split(inputs, sizes, dim=1)
        # From here on the classes are further members of the batch.
        guide = torch.stack([near.expand(-1, m, -1, -1, -1), inside], 2).flatten(0, 1)
        seen = self._seen(alone).repeat_interleave(m, 0)
        found = self._walked(
            seen + self.guide(guide, self.levels[0]), asked.repeat(count)
        )
        return found.view(count, m, *found.shape[1:])

    def _seen(self, alone: Tensor) -> Tensor:
        """Return what the first layer sees whatever class is asked for."""
        image = alone if self.place is None else alone[:, :-3]
        found: Tensor = self.image(image, self.levels[0])
        return found if self.place is None else found + self.place(alone[:, -3:])

    def _walked(self, x: Tensor, asked: Tensor) -> Tensor:
        """Return the logits (n, z, y, x) of one class for each member of a batch."""
        x = self.entry(F.relu(x + self._of(0, asked)), self.levels[0]).relu()
        skips = []
        for number, pair in enumerate(self.down):
            skips.append(x)
            x = F.max_pool3d(x, self.levels[number].pooling)
            x = pair(x, self.levels[number + 1], self._of(number + 1, asked))
        for number, pair in enumerate(self.up, start=len(self.down) + 1):
            level = self.levels[len(skips) - 1]
            factors = tuple(float(factor) for factor in level.pooling)
            x = F.interpolate(x, scale_factor=factors, mode="nearest")
            x = torch.cat([skips.pop(), x], dim=1)
            x = pair(x, level, self._of(number, asked))
        own = (x * self._of(-1, asked)).sum(1)
        shared: Tensor = self.head(x)[:, 0]
        return shared + own

    def _of(self, place: int, asked: Tensor) -> Tensor:
        """Return what was learned of each class (n, width, 1, 1, 1) for one place."""
        found: Tensor = self.asked[place][asked]
        return found[:, :, None, None, None]


class _Pair(nn.ModuleList):
    """Two convolutions; the first also hears which class is asked for."""

    def __init__(self, source: int, width: int) -> None:
        super().__init__([_Convolution(source, width), _Convolution(width, width)])

    def forward(self, x: Tensor, level: Resolution, asked: Tensor) -> Tensor:
        first, second = self
        found: Tensor = second(F.relu(first(x, level) + asked), level)
        return found.relu()


class _Convolution(nn.Module):
    """A 3 x 3 x 3 convolution with standardised weights, for a ReLU after it.

    Across a coarse axis the kernel is summed: that is what it would say if the
    neighbours there were equal.
    """

    def __init__(self, source: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, source, 3, 3, 3))
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, level: Resolution) -> Tensor:
        kernel = self._standardised()
        padding = [1, 1, 1]
        for axis in level.coarse:
            kernel = kernel.sum(axis + 2, keepdim=True)
            padding[axis] = 0
        return F.conv3d(x, kernel, self.bias, padding=tuple(padding))

    def _standardised(self) -> Tensor:
        flat = self.weight.float().flatten(1)
        variance, mean = torch.var_mean(flat, dim=1, keepdim=True)
        scale = (_GAIN * self.gain[:, None]) / (variance * flat.shape[1] + _TINY).sqrt()
        return ((flat - mean) * scale).view_as(self.weight)
