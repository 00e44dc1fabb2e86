"""Overlapping windows, mirrored and averaged over folds: a generator of progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Box, Triple
from sparseseg.recipes.pretrained.inference import Inference
from sparseseg.recipes.recipe import Work

Network = Callable[[Tensor], Tensor]
"""Maps a window (1, c, z, y, x) to logits (1, k, z, y, x)."""

_NARROWNESS = 8


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows of a volume stand: half a patch apart, or closer."""

    size: Triple
    """Of a window."""
    shape: Triple
    """Of the volume with its padding."""
    before: Triple
    """The padding before the volume's first voxel."""
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @classmethod
    def over(cls, shape: Triple, patch: Triple, rule: Inference) -> "Windows":
        """Lay windows over a volume; one that is smaller than a patch is padded."""
        size: Triple = (1, patch[1], patch[2]) if rule.flat else patch
        padded = [max(pair) for pair in zip(shape, size, strict=True)]
        if rule.whole_strides:
            padded = [
                side + -(side - window) % max(1, window // 2)
                for side, window in zip(padded, size, strict=True)
            ]
        z, y, x = padded
        a, b, c = ((new - old) // 2 for new, old in zip(padded, shape, strict=True))
        d, e, f = (_starts(*pair) for pair in zip(padded, size, strict=True))
        return cls(size, (z, y, x), (a, b, c), (d, e, f))

    @property
    def boxes(self) -> list[Box]:
        """All windows, as boxes of the padded volume."""
        (a, b, c) = self.size
        return [
            Box((z, y, x), (z + a, y + b, x + c)) for z, y, x in product(*self.starts)
        ]


def answers(
    networks: Sequence[Network],
    image: Tensor,
    patch: Triple,
    rule: Inference,
    *,
    outputs: int,
    box: Box,
) -> Work:
    """Average all windows that touch a box of the image (c, z, y, x): (k, *box.shape).

    Logits, or probabilities where the rule averages these. Windows stand where the
    volume alone says, whatever the box.
    """
    z, y, x = image.shape[1:]
    windows = Windows.over((z, y, x), patch, rule)
    target = Box(_sum(box.start, windows.before), _sum(box.stop, windows.before))
    touching = [w for w in windows.boxes if not w.intersect(target).is_empty]
    weighs = rule.weigh_alone or len(windows.boxes) > 1
    weight = window_weight(windows.size, rule) if weighs else torch.ones(windows.size)
    total, done = len(networks) * len(touching), 0
    mean: Tensor | None = None
    for network in networks:
        seen = _Average(outputs, target, weight, rule)
        for window in touching:
            shown = cut(image, _shifted(window, windows.before), rule.padding)
            found = _mirrored(network, shown, rule)
            seen.add(window, found)
            done += 1
            yield done, total
        mean = seen.mean if mean is None else mean.add_(seen.mean)
    assert mean is not None
    return mean if len(networks) == 1 else mean.div_(len(networks))


def window_weight(size: Triple, rule: Inference) -> Tensor:
    """Return how much each voxel of a window counts: a Gaussian, an eighth wide."""
    impulse = np.zeros(size)
    impulse[tuple(side // 2 for side in size)] = 1
    sigmas = [side / _NARROWNESS if side > 1 else 0.0 for side in size]
    if rule.root:
        weight = _product(size) ** (1 / 3)
    else:
        weight = ndimage.gaussian_filter(impulse, sigmas, mode="constant")
    scaled = torch.from_numpy(weight).float()
    scaled = (scaled / (scaled.max() / rule.peak)).to(_precision(rule))
    # Far from the centre a weight rounds to 0, and a mean would have nothing to divide by.
    return torch.where(scaled == 0, scaled[scaled > 0].min(), scaled)


class _Average:
    """Weighted sums over the windows that touch a box."""

    def __init__(
        self, outputs: int, target: Box, weight: Tensor, rule: Inference
    ) -> None:
        precision = _precision(rule)
        self._target = target
        self._weight = weight
        self._sum = torch.zeros(outputs, *target.shape, dtype=precision)
        self._weights = torch.zeros(target.shape, dtype=precision)

    def add(self, window: Box, found: Tensor) -> None:
        """Take in the answer (k, z, y, x) of a window."""
        seen = window.intersect(self._target)
        inside = seen.relative_to(window).slices
        there = seen.relative_to(self._target).slices
        weight = self._weight[inside]
        self._sum[(slice(None), *there)] += found[(slice(None), *inside)] * weight
        self._weights[there] += weight

    @property
    def mean(self) -> Tensor:
        """The average of all that was taken in."""
        return self._sum.div_(self._weights)


def _mirrored(network: Network, window: Tensor, rule: Inference) -> Tensor:
    """Return the mean answer (k, z, y, x) to a window and its mirror images."""
    image = window[None]

    def answer(shown: Tensor) -> Tensor:
        found = network(shown).float()
        return found.softmax(1) if rule.average == "probabilities" else found

    total = answer(image)
    copies = [
        [axis + 2 for axis in axes]
        for count in range(1, len(rule.mirror) + 1)
        for axes in combinations(rule.mirror, count)
    ]
    for axes in copies:
        total = total + answer(image.flip(axes)).flip(axes)
    mean: Tensor = total[0] / (len(copies) + 1)
    return mean.cpu()


def cut(image: Tensor, box: Box, value: float) -> Tensor:
    """Return a box of an image (c, z, y, x), which may reach beyond it into `value`."""
    z, y, x = image.shape[1:]
    seen = box.clip((z, y, x))
    sides: list[int] = []
    for axis in (2, 1, 0):
        sides += [
            seen.start[axis] - box.start[axis],
            box.stop[axis] - seen.stop[axis],
        ]
    part = image[(slice(None), *seen.slices)]
    return F.pad(part, sides, value=value) if any(sides) else part


def _shifted(box: Box, back: Triple) -> Box:
    z, y, x = (-side for side in back)
    return Box(_sum(box.start, (z, y, x)), _sum(box.stop, (z, y, x)))


def _starts(length: int, side: int) -> tuple[int, ...]:
    steps = max(1, -(-(length - side) * 2 // side)) if length > side else 0
    if side == 1:
        return tuple(range(length))
    if not steps:
        return (0,)
    return tuple(round((length - side) / steps * i) for i in range(steps + 1))


def _product(size: Triple) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    z, y, x = (
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / _NARROWNESS)) ** 2)
        for n in size
    )
    outer: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        z[:, None, None] * y[:, None] * x
    )
    return outer


def _precision(rule: Inference) -> torch.dtype:
    return torch.float16 if rule.sums == "float16" else torch.float32


def _sum(one: Triple, other: Triple) -> Triple:
    z, y, x = (a + b for a, b in zip(one, other, strict=True))
    return z, y, x
