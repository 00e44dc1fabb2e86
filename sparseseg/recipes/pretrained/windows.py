"""Overlapping windows, mirrored and averaged over folds: a generator of progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Box, Triple
from sparseseg.errors import UserError
from sparseseg.recipes.pretrained.inference import Inference
from sparseseg.recipes.recipe import Work

Network = Callable[[Tensor], Tensor]
"""Maps a window (1, c, z, y, x) to logits (1, k, z, y, x)."""

_NARROWNESS = 8
_LEAST_WEIGHT = 1e-3  # of MONAI


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
    halo: Triple = (0, 0, 0)
    """What does not count of an answer, at each side."""

    @classmethod
    def over(cls, shape: Triple, patch: Triple, rule: Inference) -> "Windows":
        """Lay windows over a volume; one that is smaller than a patch is padded."""
        size: Triple = (1, patch[1], patch[2]) if rule.flat else patch
        if any(rule.halo) or rule.least:
            return cls._by_insides(shape, size, rule)
        padded = [max(pair) for pair in zip(shape, size, strict=True)]
        if rule.whole_strides:
            padded = [
                side + -(side - window) % max(1, window // 2)
                for side, window in zip(padded, size, strict=True)
            ]
        z, y, x = padded
        a, b, c = ((new - old) // 2 for new, old in zip(padded, shape, strict=True))
        starts = partial(_fixed, overlap=rule.overlap) if rule.fixed_steps else _starts
        d, e, f = (starts(*pair) for pair in zip(padded, size, strict=True))
        return cls(size, (z, y, x), (a, b, c), (d, e, f))

    @classmethod
    def _by_insides(cls, shape: Triple, patch: Triple, rule: Inference) -> "Windows":
        """Lay windows whose insides touch; a small volume is shown in a small window."""
        sides = zip(shape, _fitting(shape, patch, rule), rule.halo, strict=True)
        insides = [(length, side, side - 2 * halo) for length, side, halo in sides]
        if min(inside for _, _, inside in insides) < 1:
            raise UserError(
                "the model cuts {halo} voxels from each side of its windows of "
                "{patch}, and nothing is left: this model cannot be used",
                halo=rule.halo,
                patch=patch,
            )
        starts = [_fixed(max(n, inside), inside, overlap=0) for n, _, inside in insides]
        z, y, x = (
            max(length, inside) + side - inside for length, side, inside in insides
        )
        d, e, f = starts
        c, b, a = (side for _, side, _ in insides)
        return cls((c, b, a), (z, y, x), rule.halo, (d, e, f), rule.halo)

    @property
    def boxes(self) -> list[Box]:
        """All windows, as boxes of the padded volume."""
        (a, b, c) = self.size
        return [
            Box((z, y, x), (z + a, y + b, x + c)) for z, y, x in product(*self.starts)
        ]

    def inside(self, window: Box) -> Box:
        """Return what counts of a window."""
        z, y, x = (-side for side in self.halo)
        return Box(_sum(window.start, self.halo), _sum(window.stop, (z, y, x)))


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
    touching = [
        w for w in windows.boxes if not windows.inside(w).intersect(target).is_empty
    ]
    weighs = rule.weigh_alone or len(windows.boxes) > 1
    weight = window_weight(windows.size, rule) if weighs else torch.ones(windows.size)
    total, done = len(networks) * len(touching), 0
    mean: Tensor | None = None
    for network in networks:
        seen = _Average(outputs, target, weight, rule)
        for window in touching:
            shown = _shown(image, _shifted(window, windows.before), rule)
            found = _mirrored(network, shown, rule)
            seen.add(window, windows.inside(window), found)
            done += 1
            yield done, total
        mean = seen.mean if mean is None else mean.add_(seen.mean)
    assert mean is not None
    return mean if len(networks) == 1 else mean.div_(len(networks))


def window_weight(size: Triple, rule: Inference) -> Tensor:
    """Return how much each voxel of a window counts: a Gaussian, an eighth wide."""
    if rule.weights in ("even", "last"):
        return torch.ones(size, dtype=_precision(rule))
    if rule.weights == "gaussian":
        impulse = np.zeros(size)
        impulse[tuple(side // 2 for side in size)] = 1
        sigmas = [side / _NARROWNESS if side > 1 else 0.0 for side in size]
        weight = ndimage.gaussian_filter(impulse, sigmas, mode="constant")
    else:
        weight = _product(size) ** (1 / 3 if rule.weights == "root" else 1)
    if rule.weights == "product":
        return torch.from_numpy(weight).float().clamp(min=_LEAST_WEIGHT)
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
        self._replaces = rule.weights == "last"
        self._sum = torch.zeros(outputs, *target.shape, dtype=precision)
        self._weights = torch.zeros(target.shape, dtype=precision)

    def add(self, window: Box, counting: Box, found: Tensor) -> None:
        """Take in the answer (k, z, y, x) of a window, as far as it counts."""
        seen = counting.intersect(self._target)
        inside = seen.relative_to(window).slices
        there = seen.relative_to(self._target).slices
        if self._replaces:
            self._sum[(slice(None), *there)] = found[(slice(None), *inside)]
            self._weights[there] = 1
            return
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
        return likely(found, rule, 1) if rule.average == "probabilities" else found

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


def likely(logits: Tensor, rule: Inference, axis: int) -> Tensor:
    """Return probabilities of outputs that lie along an axis."""
    if rule.activation == "none":
        return logits
    return logits.sigmoid() if rule.regions else logits.softmax(axis)


def _shown(image: Tensor, box: Box, rule: Inference) -> Tensor:
    """Return a box of an image, which may reach beyond it."""
    if rule.edge == "value":
        return cut(image, box, rule.padding)
    for axis in range(3):
        places = torch.arange(box.start[axis], box.stop[axis])
        length = image.shape[axis + 1]
        places = places.remainder(2 * length)  # an image and its mirror image repeat
        places = torch.minimum(places, 2 * length - 1 - places)
        image = image.index_select(axis + 1, places)
    return image


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


def _fixed(length: int, side: int, overlap: float) -> tuple[int, ...]:
    """Return starts in steps of the same length; the last window ends with the volume."""
    step = side if side == length else max(1, int(side * (1 - overlap)))
    last = length - side
    return tuple(min(start, last) for start in range(0, last + step, step))


def _fitting(shape: Triple, patch: Triple, rule: Inference) -> Triple:
    """Return a window: the patch, or the smallest that is allowed and shows the volume."""
    if rule.least is None:
        return patch
    wanted = (n + 2 * halo for n, halo in zip(shape, rule.halo, strict=True))
    z, y, x = (
        min(side, least + max(0, -(-(size - least) // step)) * step)
        for size, side, least, step in zip(
            wanted, patch, rule.least, rule.step, strict=True
        )
    )
    return z, y, x


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
