"""Balls and other bodies whose measures are known."""

import numpy as np
from numpy.typing import NDArray


def ball(
    shape: tuple[int, int, int],
    centre: tuple[float, float, float],
    radius: float,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.bool_]:
    """Return the voxels whose centres lie within a radius; centre in voxels."""
    places = np.indices(shape).transpose(1, 2, 3, 0)
    away = (places - np.array(centre)) * np.array(spacing)
    return np.asarray((away**2).sum(-1) <= radius**2)
