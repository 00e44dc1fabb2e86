"""Labels drawn as text: a digit a voxel, a dot for background, one plane across z."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def drawn(*rows: str) -> NDArray[np.uint8]:
    digits = [[int(mark) for mark in row.replace(".", "0")] for row in rows]
    return np.array([digits], np.uint8)


def text(labels: NDArray[Any]) -> list[str]:
    (plane,) = labels
    return ["".join(map(str, row)).replace("0", ".") for row in plane.tolist()]
