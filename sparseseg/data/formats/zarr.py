"""Zarr volumes: OME-Zarr images with their levels, and arrays in groups."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, from_words
from sparseseg.data.formats import ome_zarr
from sparseseg.data.formats.format import Format
from sparseseg.data.formats.ome_zarr import OWN, Level
from sparseseg.data.formats.zarr_blocks import checked
from sparseseg.data.on_disk import OnDisk, axes_named, known_axes
from sparseseg.data.optional import library
from sparseseg.data.time_points import point_of
from sparseseg.data.units import UNKNOWN, in_one_unit
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

_MARKS = ("zarr.json", ".zgroup", ".zarray")
_CHUNK = 128
_DEPTH = 4
"""Groups inside each other in which arrays are looked for."""
_LISTED = 6
_ABOVE = 3
"""Folders above an array in which the description of its image is looked for."""


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def read(path: Path, part: str = "") -> Volume:
    """Read an image at full resolution, a level of it, or an array; it stays on disk.

    `image.zarr` is the first level, `image.zarr/1` the second, `data.zarr/volumes/raw`
    an array in a group. A part such as t=3 is one point of time.
    """
    zarr = library("zarr", "Zarr", "zarr")
    found = zarr.open(str(path), mode="r")
    if isinstance(found, zarr.Array):
        group, level = _image_round(path, zarr)
        return _volume(path, found, level, group, part)
    image = ome_zarr.only_image(found, zarr.Group)
    if image is None:
        return _volume(path, _only_array(path, found, zarr), None, None, part)
    group, words = image
    level = Level(words, 0)
    return _volume(path, group[level.path], level, group, part)


def _volume(
    path: Path, array: Any, level: Level | None, group: Any, part: str
) -> Volume:
    own = {} if group is None else dict(group.attrs).get(OWN, {})
    named = level.letters if level else ""
    letters = known_axes(named or _own_axes(array), array.shape)
    spacing, unit = level.spacing(letters) if level else _resolution(array, letters)
    affine = own.get("affine")
    if affine is not None:
        affine = np.array(affine, float)
        affine = level.placed(affine, letters) if level else affine
    point = point_of(part) if part else None
    opened = partial(_voxels, path, part)
    blocks = checked(array, path / array.path)
    stored: Any = OnDisk(blocks, letters, opened=opened, point=point)
    return Volume(
        stored,
        spacing,
        unit,
        affine=affine,
        frame=level.frame(letters) if level and affine is None else None,
        name=path.name,
        classes=from_words(own.get(KEY)),
    )


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array as an OME-Zarr 0.4 image with a pyramid."""
    zarr = library("zarr", "Zarr", "zarr")
    letters = "zyx" if len(array) == 1 else "czyx"
    values = array[0] if len(array) == 1 else array
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    levels = ome_zarr.pyramid(values, like.spacing)
    for index, (level, _) in enumerate(levels):
        stored = group.create_array(
            str(index),
            shape=level.shape,
            dtype=level.dtype,
            chunks=tuple(min(_CHUNK, side) for side in level.shape),
            fill_value=0,
        )
        stored[...] = level
    factors = [factor for _, factor in levels]
    is_mean = array.dtype.kind == "f"
    group.attrs.update(ome_zarr.attributes(letters, like, factors, is_mean=is_mean))


def _image_round(path: Path, zarr: Any) -> tuple[Any, Level | None]:
    """Return the group whose image an array is a level of, and the level."""
    for folder in list(path.absolute().parents)[:_ABOVE]:
        if is_zarr(folder):
            group = zarr.open(str(folder), mode="r")
            inner = path.absolute().relative_to(folder).as_posix()
            if isinstance(group, zarr.Group):
                level = ome_zarr.level_of(group, inner)
                if level is not None:
                    return group, level
    return None, None


def _only_array(path: Path, group: Any, zarr: Any) -> Any:
    """Return the one volume in a group; `UserError` with the names of several."""
    found = {
        name: member
        for name, member in group.members(max_depth=_DEPTH)
        if isinstance(member, zarr.Array) and sum(n > 1 for n in member.shape) > 2
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise UserError(
            "is a Zarr group without an image in it: give the array's folder"
        )
    names = sorted(found)
    raise UserError(
        "holds {count} arrays ({names}): give the folder of "
        "one of them, such as {path}",
        count=len(names),
        names=", ".join(names[:_LISTED]),
        path=path / names[0],
    )


def _own_axes(array: Any) -> str:
    """Return the axes that an array itself names: as Zarr 3 does, or as xarray does."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or dict(array.attrs).get("_ARRAY_DIMENSIONS") or []
    return "" if None in names else axes_named(list(map(str, names)))


def _resolution(array: Any, letters: str) -> Any:
    """Return the voxel size that tools of electron microscopy write beside an array.

    It is in nm if they name no unit, and has one number for each axis of space.
    """
    sizes = dict(array.attrs).get("resolution")
    if not isinstance(sizes, list) or len(sizes) != 3:
        return UNKNOWN
    units = dict(array.attrs).get("units") or ["nm"] * 3
    order = [letter for letter in letters if letter in "zyx"]
    by_letter = dict(
        zip(order, zip(map(float, sizes), units, strict=True), strict=True)
    )
    (z, of_z), (y, of_y), (x, of_x) = (by_letter[axis] for axis in "zyx")
    return in_one_unit((z, y, x), (str(of_z), str(of_y), str(of_x)))


def _voxels(path: Path, part: str) -> Any:
    return read(path, part).array


FORMAT = Format(
    name="Zarr",
    endings=(".zarr",),
    matches=lambda path, _: is_zarr(path),
    read=read,
    read_part=read,
    write=write,
    needs=("zarr", "zarr"),
)
