"""What a volume's axes are called in anatomy, where its file says how it lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.orientation import axis_codes
from sparseseg.language import say

# NIfTI's letters for the two ends of each direction, and the plane across it.
_NAMES = {
    "L": ("R-L", say("right to left"), say("sagittal")),
    "R": ("L-R", say("left to right"), say("sagittal")),
    "P": ("A-P", say("front to back"), say("coronal")),
    "A": ("P-A", say("back to front"), say("coronal")),
    "S": ("F-H", say("feet to head"), say("axial")),
    "I": ("H-F", say("head to feet"), say("axial")),
}
# How far to the top or the left of a picture a plane's direction is drawn: radiologists
# have the head and the face at the top, and the patient's right at the left.
_RANKS = {"axial": 0, "coronal": 1, "sagittal": 2}
_RUNS_BACK = "SAR"


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the axes z, y, x of a volume lead to, and how far they are tilted."""

    codes: tuple[str, str, str]
    """Of z, y, x, in the letters of NIfTI: S is superior, towards the head."""
    right_handed: bool
    tilt: float
    """The largest angle, in degrees, between an axis and the patient's own."""

    @property
    def directions(self) -> tuple[str, str, str]:
        """Of z, y, x in short, such as F-H, A-P, R-L."""
        z, y, x = (_NAMES[code][0] for code in self.codes)
        return z, y, x

    @property
    def words(self) -> tuple[str, str, str]:
        """Of z, y, x, such as feet to head, front to back, right to left."""
        z, y, x = (_NAMES[code][1] for code in self.codes)
        return z, y, x

    @property
    def planes(self) -> tuple[str, str, str]:
        """What slices across z, y, x are called, such as axial, coronal, sagittal."""
        z, y, x = (_NAMES[code][2] for code in self.codes)
        return z, y, x

    @property
    def stored(self) -> str:
        """The order of voxels in NIfTI's letters for x, y, z, such as LPS."""
        return "".join(self.codes[::-1])

    @property
    def backwards(self) -> tuple[bool, bool, bool]:
        """Whether z, y, x run up or to the left in a picture as radiologists see it."""
        z, y, x = (code in _RUNS_BACK for code in self.codes)
        return z, y, x

    @property
    def upright(self) -> tuple[int, int, int]:
        """The axes (0 z, 1 y, 2 x), those first that run down in a picture."""
        first, second, third = sorted(range(3), key=lambda a: _RANKS[self.planes[a]])
        return first, second, third


def anatomy_of(affine: NDArray[np.float64]) -> Anatomy:
    """Read the directions from an affine, voxels (x, y, z, 1) to NIfTI's world."""
    x, y, z = axis_codes(affine)
    linear = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = np.abs(linear)[[_WORLD[code] for code in (x, y, z)], range(3)]
    tilt = np.degrees(np.arccos(np.clip(along, 0, 1))).max()
    return Anatomy((z, y, x), bool(np.linalg.det(linear) > 0), float(tilt))


_WORLD = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
