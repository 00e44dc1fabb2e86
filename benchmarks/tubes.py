"""Thin tubes in an anisotropic volume, as vessels under a two-photon microscope look.

Tubes of two to four voxels across wander through the volume and branch; voxels are five
times as long in z. Brightness differs from tube to tube and along each of them, the image
is blurred most in z, and noisy. All of it is made here, so that anyone may have it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sparseseg.data.volume import Volume

_SHAPE = (40, 112, 112)
_SPACING = (5.0, 1.0, 1.0)
_TREES = 9
_LENGTH = 110.0  # micrometres of a tube
_STEP = 0.5
_BEND = 0.12  # of a direction, at each step
_FORK = 0.015  # chance of a branch at each step
_RADII = (1.0, 2.0)
_BLUR = (0.7, 0.8, 0.8)  # voxels
_NOISE = 0.12  # of the brightness of a tube


def made(seed: int = 0) -> tuple[Volume, NDArray[np.uint8]]:
    """Return the volume and its truth: 1 in tubes, 0 elsewhere."""
    rng = np.random.default_rng(seed)
    bright = np.zeros(_SHAPE, np.float32)
    extent = np.array(_SHAPE) * _SPACING
    for _ in range(_TREES):
        _grow(bright, rng.random(3) * extent, rng, rng.uniform(*_RADII))
    truth = (bright > 0).astype(np.uint8)
    grey = ndimage.gaussian_filter(bright, _BLUR)
    haze = ndimage.gaussian_filter(rng.normal(size=_SHAPE), (3, 15, 15))
    grey += 0.1 * haze / haze.std() + _NOISE * rng.normal(size=_SHAPE)
    image = np.clip(1000 + 500 * grey, 0, 4095).astype(np.uint16)
    return Volume.from_array(image, spacing=_SPACING, unit="um", name="tubes"), truth


def _grow(
    bright: NDArray[np.float32],
    at: NDArray[np.float64],
    rng: np.random.Generator,
    radius: float,
) -> None:
    """Walk from a point in micrometres, paint balls on the way, and fork."""
    direction = rng.normal(size=3)
    brightness = rng.uniform(0.5, 1.2)
    for _ in range(int(_LENGTH / _STEP)):
        direction += _BEND * rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        at = at + _STEP * direction
        brightness = float(np.clip(brightness + 0.02 * rng.normal(), 0.4, 1.3))
        _paint(bright, at, radius, brightness)
        if radius > _RADII[0] and rng.random() < _FORK:
            _grow(bright, at, rng, max(_RADII[0], 0.8 * radius))


def _paint(
    bright: NDArray[np.float32],
    at: NDArray[np.float64],
    radius: float,
    brightness: float,
) -> None:
    """Paint the voxels whose middle is in a ball; a slice in reach gets a disc."""
    reach = np.maximum(radius, np.array(_SPACING) / 2)
    low = np.floor((at - reach) / _SPACING).astype(int).clip(0, _SHAPE)
    high = (np.ceil((at + reach) / _SPACING).astype(int) + 1).clip(0, _SHAPE)
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [
        (np.arange(a, b) + 0.5) * s for a, b, s in zip(low, high, _SPACING, strict=True)
    ]
    offsets = np.meshgrid(
        *(axis - x for axis, x in zip(axes, at, strict=True)), indexing="ij"
    )
    # A voxel is as long as two tubes: it is hit if the tube passes through it.
    hit = (np.hypot(offsets[1], offsets[2]) <= radius) & (abs(offsets[0]) <= reach[0])
    part = bright[window]
    np.maximum(part, brightness * hit, out=part)
