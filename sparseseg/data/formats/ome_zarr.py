"""OME-Zarr's description of an image: its levels, axes, and how its voxels are scaled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, in_words
from sparseseg.data.on_disk import axes_named
from sparseseg.data.units import (
    PIXEL,
    UNKNOWN,
    Spacing,
    in_one_unit,
    measured,
    seven_digits,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

OWN = "sparseseg"
_WORDS = {"nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter"}
_WORDS |= {"m": "meter"}
_SMALL = 256
"""Voxels along the longest side of the last level."""
_MOST_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of an image."""

    image: Any
    """The description of the image, an entry of `multiscales`."""
    index: int

    @property
    def path(self) -> str:
        """Where its array lies in the group."""
        return str(self.image["datasets"][self.index]["path"])

    @property
    def letters(self) -> str:
        """One letter an axis; "" where the description names none."""
        return axes_named([_name(axis) for axis in self.image.get("axes", [])])

    def spacing(self, letters: str) -> tuple[Spacing, str]:
        """Return voxel size z, y, x and unit."""
        scale = self._product("scale", letters, 1.0)
        if scale is None:
            return UNKNOWN
        units = dict(zip(letters, map(_unit, self.image.get("axes", [])), strict=False))
        z, y, x = (seven_digits(float(scale[axis])) for axis in "zyx")
        of_z, of_y, of_x = (units.get(axis, PIXEL) for axis in "zyx")
        return in_one_unit((z, y, x), (of_z, of_y, of_x))

    def frame(self, letters: str) -> NDArray[np.float64] | None:
        """Return voxels x, y, z to the space of the image, where the file shifts them."""
        at = self._product("translation", letters, 0.0)
        if at is None:
            return None
        spacing, unit = self.spacing(letters)
        units = dict(zip(letters, map(_unit, self.image.get("axes", [])), strict=False))
        shifts = [measured(at[axis], units.get(axis, PIXEL)) for axis in "xyz"]
        if {name for _, name in shifts} != {unit}:
            return None  # of several units: which was meant is not known
        found = np.diag([*spacing[::-1], 1.0])
        found[:3, 3] = [shift for shift, _ in shifts]
        return found

    def placed(self, affine: NDArray[np.float64], letters: str) -> NDArray[np.float64]:
        """Return an affine of the first level as one of this level."""
        first = Level(self.image, 0)
        to_first = np.eye(4)
        ours, theirs = self._product("scale", letters, 1.0), None
        if ours is not None:
            theirs = first._product("scale", letters, 1.0)
        if ours is None or theirs is None:
            return affine
        at = self._product("translation", letters, 0.0) or dict.fromkeys(letters, 0.0)
        from_ = first._product("translation", letters, 0.0) or dict.fromkeys(letters, 0)
        for row, axis in enumerate("xyz"):
            to_first[row, row] = ours[axis] / theirs[axis]
            to_first[row, 3] = (at[axis] - from_[axis]) / theirs[axis]
        return affine @ to_first

    def _product(
        self, kind: str, letters: str, nothing: float
    ) -> dict[str, float] | None:
        """Return what the level and the whole image say of one transformation."""
        dataset = self.image["datasets"][self.index]
        found = [
            np.array(transform[kind], float)
            for part in (dataset, self.image)
            for transform in part.get("coordinateTransformations") or []
            if transform.get("type") == kind
        ]
        if not found:
            return None
        combined = np.prod(found, axis=0) if nothing == 1 else np.sum(found, axis=0)
        return dict(zip(letters, map(float, combined), strict=True))


def multiscales(group: Any) -> Any:
    """Return the descriptions of images in a group, of versions 0.1 to 0.5."""
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes).get("multiscales")


def only_image(group: Any, kind: Any) -> tuple[Any, Any] | None:
    """Return the group of an image and its description, also from one level below.

    `kind` is the class of a group. None where there is no image; `UserError` where there
    are several.
    """
    # A store lists its members as the file system does; 2 comes before 10 here.
    members = sorted(group.members(), key=lambda member: (len(member[0]), member[0]))
    below = [child for _, child in members if isinstance(child, kind)]
    for candidates in ([group], below):
        found = [(g, scales[0]) for g in candidates if (scales := multiscales(g))]
        if len(found) > 1:
            names = ", ".join(g.basename for g, _ in found[:6])
            raise UserError(
                "holds {count} images ({names}): give the folder of one of them",
                count=len(found),
                names=names,
            )
        if found:
            return found[0]
    return None


def level_of(group: Any, inner: str) -> Level | None:
    """Return the level of an image whose array lies at a path inside its group."""
    for image in multiscales(group) or []:
        for index, dataset in enumerate(image["datasets"]):
            if Path(str(dataset["path"])) == Path(inner):
                return Level(image, index)
    return None


def pyramid(
    values: NDArray[Any], spacing: Spacing
) -> list[tuple[NDArray[Any], tuple[int, int, int]]]:
    """Return an image at several resolutions, each with its factors along z, y, x.

    An axis is halved where its voxels are less than twice as long as the shortest. Whole
    numbers may be labels: every other voxel is kept. Real numbers are averaged.
    """
    levels = [(values, (1, 1, 1))]
    while len(levels) < _MOST_LEVELS and max(levels[-1][0].shape[-3:]) > _SMALL:
        finer, factors = levels[-1]
        sizes = [f * s for f, s in zip(factors, spacing, strict=True)]
        halves = [
            2 if size < 2 * min(sizes) and side > 1 else 1
            for size, side in zip(sizes, finer.shape[-3:], strict=True)
        ]
        z, y, x = (f * h for f, h in zip(factors, halves, strict=True))
        levels.append((_coarser(finer, halves), (z, y, x)))
    return levels


def _coarser(values: NDArray[Any], halves: list[int]) -> NDArray[Any]:
    coarse = values
    for axis, half in zip((-3, -2, -1), halves, strict=True):
        if half == 2:
            coarse = _halved(coarse, axis)
    return coarse


def _halved(values: NDArray[Any], axis: int) -> NDArray[Any]:
    turned = np.moveaxis(values, axis, 0)
    first = turned[::2]
    if values.dtype.kind == "f":
        second = turned[1::2]
        if len(second) < len(first):
            second = np.concatenate([second, turned[-1:]])
        first = (first + second) / 2
    return np.moveaxis(first, 0, axis).astype(values.dtype)


def attributes(
    letters: str, like: Volume, factors: list[tuple[int, int, int]], *, is_mean: bool
) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr 0.4 image with levels "0", "1" and so on."""
    word = _WORDS.get(like.unit)
    space = {"type": "space", **({"unit": word} if word else {})}
    axes = [
        {"name": letter, **({"type": "channel"} if letter == "c" else space)}
        for letter in letters
    ]
    image = {
        "version": "0.4",
        "name": like.name,
        "axes": axes,
        "datasets": [
            {
                "path": str(index),
                "coordinateTransformations": _transforms(letters, like, at, is_mean),
            }
            for index, at in enumerate(factors)
        ],
    }
    own: dict[str, Any] = {}
    if like.affine is not None:
        own["affine"] = like.affine.tolist()
    if like.classes.classes:
        own[KEY] = in_words(like.classes)
    return {"multiscales": [image], OWN: own}


def _transforms(
    letters: str, like: Volume, factors: tuple[int, int, int], is_mean: bool
) -> list[dict[str, Any]]:
    sizes = [f * float(s) for f, s in zip(factors, like.spacing, strict=True)]
    channels = len(letters) - 3
    found: list[dict[str, Any]] = [{"type": "scale", "scale": [1.0] * channels + sizes}]
    if is_mean and max(factors) > 1:
        # The centre of a mean of n voxels lies (n - 1) / 2 voxels behind the first.
        shifts = [
            (f - 1) / 2 * float(s) for f, s in zip(factors, like.spacing, strict=True)
        ]
        found.append({"type": "translation", "translation": [0.0] * channels + shifts})
    return found


def _name(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis)


def _unit(axis: Any) -> str:
    return str(axis.get("unit", PIXEL)) if isinstance(axis, dict) else PIXEL
