"""How a structure may look: contrast, texture, edges, bias, blur and noise at random."""

import math

import numpy as np
import torch
from shapes import Grid, noise
from torch import Tensor
from torch.nn import functional as F

from sparseseg.data.intensity import equalising

_SAMPLES = 4000


def look(classes: Tensor, where: Grid, rng: np.random.Generator) -> Tensor:
    """Return grey values (z, y, x) of a structure, spread evenly over -2..2."""
    grey = _means(classes, rng) + _textures(classes, where, rng)
    if rng.random() < 0.2:
        grey = grey + rng.normal(0, 1.0) * _edges(classes)
    grey = _blurred(grey, where, float(rng.uniform(0, 1.6)) * float(rng.random() < 0.8))
    if rng.random() < 0.6:
        grey = grey + rng.uniform(0, 0.8) * noise(where, 0.7 * where.side, rng)[0]
    grey = grey + _grain(grey, where, rng)
    if max(where.anisotropy) > 2 and rng.random() < 0.6:
        grey = _jittered(grey, where, rng)
    return _spread(grey, classes)


def _means(classes: Tensor, rng: np.random.Generator) -> Tensor:
    """Give each class its brightness; some classes differ little."""
    values = rng.normal(0, 1, int(classes.max()) + 1)
    if rng.random() < 0.3:
        values = values.round()
    return torch.from_numpy(values).float()[classes]


def _textures(classes: Tensor, where: Grid, rng: np.random.Generator) -> Tensor:
    """Add textures: one over all, and one that is as strong as the class has it."""
    total = rng.uniform(0, 0.5) * noise(where, float(rng.uniform(2, 12)), rng)[0]
    if rng.random() < 0.6:
        strength = rng.uniform(0, 1, int(classes.max()) + 1) * rng.uniform(0, 1)
        grain = noise(where, float(rng.uniform(1.5, 6)), rng)[0]
        total = total + torch.from_numpy(strength).float()[classes] * grain
    return total


def _edges(classes: Tensor) -> Tensor:
    """Return 1 where a neighbour is of another class."""
    padded = F.pad(classes[None, None].float(), (1,) * 6, mode="replicate")
    most = F.max_pool3d(padded, 3, stride=1)
    least = -F.max_pool3d(-padded, 3, stride=1)
    return (most != least)[0, 0].float()


def _blurred(grey: Tensor, where: Grid, deviation: float) -> Tensor:
    for axis, side in enumerate(where.anisotropy):
        wide = deviation / side
        if wide < 0.25:
            continue
        reach = max(1, math.ceil(2 * wide))
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / wide).square())
        shape, padding = [1] * 5, [0] * 6
        shape[axis + 2] = len(kernel)
        padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
        padded = F.pad(grey[None, None], padding, mode="replicate")
        grey = F.conv3d(padded, (kernel / kernel.sum()).view(shape))[0, 0]
    return grey


def _grain(grey: Tensor, where: Grid, rng: np.random.Generator) -> Tensor:
    """Return noise: even, stronger where it is bright, or with a grain."""
    strength = float(np.exp(rng.uniform(math.log(0.03), math.log(0.8))))
    white = torch.from_numpy(rng.standard_normal(where.shape, np.float32))
    kind = rng.integers(3)
    if kind == 1:
        return strength * white * (grey - grey.min()).sqrt()
    if kind == 2:
        smooth = _blurred(white, where, float(rng.uniform(0.5, 1.2)))
        return strength * smooth / smooth.std()
    return strength * white


def _jittered(grey: Tensor, where: Grid, rng: np.random.Generator) -> Tensor:
    """Shift the planes across the coarse axis, and change how bright each one is."""
    axis = int(np.argmax(where.anisotropy))
    planes = list(grey.unbind(axis))
    most = int(rng.integers(0, 3))
    for number, plane in enumerate(planes):
        shifts = tuple(int(s) for s in rng.integers(-most, most + 1, 2))
        planes[number] = plane.roll(shifts, (0, 1)) + float(rng.normal(0, 0.1))
    return torch.stack(planes, axis)


def _spread(grey: Tensor, classes: Tensor) -> Tensor:
    """Map grey values as recipes do: each class has its share of the contrast."""
    values = grey.numpy().ravel()
    parts = [values[:: max(1, len(values) // _SAMPLES)]]
    for number in range(int(classes.max()) + 1):
        members = grey[classes == number].numpy()
        if members.size:
            parts.append(
                members[np.linspace(0, members.size - 1, _SAMPLES).astype(int)]
            )
    curve = equalising([np.concatenate(parts)])
    return torch.from_numpy(curve(grey.numpy()))
