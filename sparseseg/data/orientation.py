"""The anatomical directions of a volume's axes, where its file says where it lies."""

import numpy as np
from numpy.typing import NDArray

# The world axes of an affine run to the right, to the front and to the head (NIfTI-1).
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))


def axis_codes(affine: NDArray[np.float64]) -> tuple[str, str, str]:
    """Return where the voxel axes x, y, z of an affine lead to, such as R, A, S.

    Of an oblique volume each axis gets the world axis that it is nearest to, and no two
    axes get the same. The letters are those of NIfTI: right, left, anterior, posterior,
    superior, inferior.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    codes = ["", "", ""]
    strength = np.abs(directions)
    for _ in range(3):
        world, axis = np.unravel_index(int(strength.argmax()), (3, 3))
        codes[axis] = _ENDS[world][int(directions[world, axis] > 0)]
        strength[world], strength[:, axis] = -1, -1
    return codes[0], codes[1], codes[2]
