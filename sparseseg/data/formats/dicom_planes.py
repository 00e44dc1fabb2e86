"""Planes of a DICOM series: where each lies, and whether they form a volume.

Positions and directions are those of DICOM: mm, to the left, to the back, to the head.
"""

from collections import Counter
from dataclasses import dataclass
from math import atan, degrees
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.units import Spacing, seven_digits
from sparseseg.errors import UserError
from sparseseg.language import say

_UNEVEN = 0.05
"""Of a step: how far a plane may lie from its place in an even stack."""
_SHIFT = 0.5
"""Of a pixel: how far planes may be shifted along themselves over the whole stack."""
_SAME = 1e-4
"""Between numbers of two files that mean the same."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: a file of a classic series, or a frame of an enhanced one."""

    path: Path
    frame: int | None
    """The place in its file, where a file holds many."""
    size: tuple[int, int]
    """Rows and columns."""
    pixel: tuple[float, float]
    """Distances of rows and of columns, in mm."""
    directions: tuple[float, ...]
    """Six cosines: along a row, then along a column."""
    position: tuple[float, float, float]
    """The centre of the first pixel, in mm."""
    scale: tuple[float, float]
    """Slope and intercept from stored values to grey values."""

    @property
    def normal(self) -> NDArray[np.float64]:
        """The direction across the plane, of length 1."""
        row, column = np.reshape(self.directions, (2, 3))
        return np.asarray(np.cross(row, column), float)


def in_order(planes: list[Plane]) -> list[Plane]:
    """Return planes along their normal; `UserError` where they are no even stack."""
    _check_alike(planes)
    first = planes[0]
    _check_directions(first)
    if len(planes) < 2:
        raise UserError(
            "is one slice, and a volume is needed: give the folder of the whole series"
        )
    ordered = sorted(planes, key=lambda plane: float(first.normal @ plane.position))
    _check_steps(_places(ordered))
    _check_tilt(ordered)
    return ordered


def placed(planes: list[Plane]) -> tuple[Spacing, NDArray[np.float64]]:
    """Return voxel size z, y, x in mm, and voxels x, y, z to the right, front and head."""
    first = planes[0]
    row, column = np.reshape(first.directions, (2, 3))
    places = _places(planes)
    step = (places[-1] - places[0]) / (len(planes) - 1)
    y, x = first.pixel
    world = np.eye(4)
    world[:3, :3] = np.stack([row * x, column * y, first.normal * step], axis=1)
    world[:3, 3] = first.position
    world[:2] *= -1  # DICOM's axes run to the left and to the back
    z = seven_digits(float(step))
    return (z, seven_digits(y), seven_digits(x)), world


def _places(ordered: list[Plane]) -> NDArray[np.float64]:
    """Return how far along the normal each plane lies, in mm."""
    normal = ordered[0].normal
    return np.array([normal @ plane.position for plane in ordered], float)


def _check_alike(planes: list[Plane]) -> None:
    """Refuse planes of several sizes, pixels or directions."""
    sizes = Counter(plane.size for plane in planes)
    if len(sizes) > 1:
        raise UserError(_several(say("sizes"), sizes, " x "))
    _check_one(say("pixel sizes in mm"), [plane.pixel for plane in planes])
    _check_one(say("orientations"), [plane.directions for plane in planes])
    pixel = planes[0].pixel
    if not all(np.isfinite(pixel)) or min(pixel) <= 0:
        raise UserError(
            "says that its pixels are {height:g} x {width:g} mm large: correct "
            "PixelSpacing in the files",
            height=pixel[0],
            width=pixel[1],
        )


def _check_one(what: str, values: list[tuple[float, ...]]) -> None:
    table = np.array(values, float)
    if np.abs(table - table[0]).max() > _SAME:
        rounded = Counter(tuple(round(n, 4) for n in value) for value in values)
        raise UserError(_several(what, rounded, ", "))


def _several(what: str, counts: Counter[Any], between: str) -> str:
    listed = "; ".join(
        say(
            "{value} in {times} slices",
            value=between.join(f"{n:g}" for n in value),
            times=times,
        )
        for value, times in counts.most_common(3)
    )
    return say(
        "has slices of {count} {what} ({listed}): put those that form one "
        "volume into a folder of their own",
        count=len(counts),
        what=what,
        listed=listed,
    )


def _check_directions(plane: Plane) -> None:
    row, column = np.reshape(plane.directions, (2, 3))
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    wrong = np.abs(np.subtract(lengths, 1)).max() > 1e-3 or abs(row @ column) > 1e-3
    if not np.isfinite(plane.directions).all() or wrong:
        words = ", ".join(f"{n:g}" for n in plane.directions)
        raise UserError(
            "has rows and columns that are not at right angles "
            "(ImageOrientationPatient {words}): export the series again",
            words=words,
        )


def _check_steps(places: NDArray[np.float64]) -> None:
    steps = np.diff(places)
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    if not np.isfinite(places).all():
        raise UserError("has a slice without a finite position: export it again")
    if (steps < _UNEVEN * max(usual, _SAME)).any():
        at = places[int(np.argmin(steps))]
        raise UserError(
            "has several slices at {at:.2f} mm, such as time points or echoes: put "
            "those of one volume into a folder of their own",
            at=at,
        )
    if steps.max() > 1.5 * usual:
        at = int(np.argmax(steps))
        raise UserError(
            "has a gap: its slices are {usual:.3f} mm apart, but {step:.3f} mm "
            "between {before:.2f} and {after:.2f} mm: add the slices that "
            "are missing",
            usual=usual,
            step=steps[at],
            before=places[at],
            after=places[at + 1],
        )
    even = np.linspace(places[0], places[-1], len(places))
    if np.abs(places - even).max() > _UNEVEN * usual:
        raise UserError(
            "has uneven steps between slices, from {min:.3f} to "
            "{max:.3f} mm: resample it to even steps, as dcm2niix does",
            min=steps.min(),
            max=steps.max(),
        )


def _check_tilt(ordered: list[Plane]) -> None:
    """Refuse slices that lie askew on each other, as with a tilted gantry."""
    first, last = ordered[0], ordered[-1]
    way = np.subtract(last.position, first.position)
    across = float(first.normal @ way)
    aside = float(np.linalg.norm(way - across * first.normal))
    if aside > _SHIFT * min(first.pixel):
        raise UserError(
            "has slices that are shifted by a gantry tilt of "
            "{degrees:.1f} degrees: correct the tilt first, as "
            "dcm2niix does",
            degrees=degrees(atan(aside / across)),
        )
