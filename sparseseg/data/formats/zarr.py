"""Zarr volumes: OME-Zarr images, and plain arrays."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, from_words, in_words
from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk, axes_named, known_axes
from sparseseg.data.optional import library
from sparseseg.data.units import (
    PIXEL,
    UNKNOWN,
    Spacing,
    in_one_unit,
    seven_digits,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

_MARKS = ("zarr.json", ".zgroup", ".zarray")
_CHUNK = 128
_WORDS = {"nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter"}
_WORDS |= {"m": "meter"}


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def read(path: Path) -> Volume:
    """Read an image at its full resolution; its voxels stay on disk."""
    array, letters, spacing, unit, own = _opened(path)
    stored: Any = OnDisk(array, letters, opened=partial(_voxels, path))
    affine = own.get("affine")
    return Volume(
        stored,
        spacing,
        unit,
        affine=None if affine is None else np.array(affine),
        name=path.name,
        classes=from_words(own.get(KEY)),
    )


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array as an OME-Zarr 0.4 image of one resolution."""
    letters = "zyx" if len(array) == 1 else "czyx"
    values = array[0] if len(array) == 1 else array
    group = _zarr().open_group(str(path), mode="w", zarr_format=2)
    chunks = tuple(min(_CHUNK, side) for side in values.shape)
    stored = group.create_array(
        "0", shape=values.shape, dtype=values.dtype, chunks=chunks, fill_value=0
    )
    stored[...] = values
    group.attrs.update(_attributes(letters, like))


def _attributes(letters: str, like: Volume) -> dict[str, Any]:
    word = _WORDS.get(like.unit)
    space = {"type": "space", **({"unit": word} if word else {})}
    axes = [
        {"name": letter, **({"type": "channel"} if letter == "c" else space)}
        for letter in letters
    ]
    scale = [1.0] * (len(letters) - 3) + list(map(float, like.spacing))
    own: dict[str, Any] = {}
    if like.affine is not None:
        own["affine"] = like.affine.tolist()
    if like.classes.classes:
        own[KEY] = in_words(like.classes)
    return {
        "multiscales": [
            {
                "version": "0.4",
                "name": like.name,
                "axes": axes,
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": scale}
                        ],
                    }
                ],
            }
        ],
        "sparseseg": own,
    }


def _zarr() -> Any:
    return library("zarr", "Zarr", "zarr")


def _opened(path: Path) -> tuple[Any, str, Spacing, str, dict[str, Any]]:
    """Return the array, its axes, voxel size and unit, and what we wrote beside."""
    zarr = _zarr()
    found = zarr.open(str(path), mode="r")
    if isinstance(found, zarr.Array):
        return found, known_axes(_own_axes(found), found.shape), *UNKNOWN, {}
    group, image = _only_image(found, zarr.Group)
    array = group[image["datasets"][0]["path"]]
    named = axes_named([_name(axis) for axis in image.get("axes", [])])
    letters = known_axes(named or _own_axes(array), array.shape)
    spacing, unit = _spacing(image, letters)
    return array, letters, spacing, unit, dict(group.attrs).get("sparseseg", {})


def _only_image(group: Any, kind: Any) -> tuple[Any, Any]:
    """Return the group of an image and its description, also from one level below."""
    # A store lists its members as the file system does; 2 comes before 10 here.
    members = sorted(group.members(), key=lambda member: (len(member[0]), member[0]))
    below = [child for _, child in members if isinstance(child, kind)]
    for candidates in ([group], below):
        found = [(g, scales[0]) for g in candidates if (scales := _multiscales(g))]
        if len(found) > 1:
            names = ", ".join(g.basename for g, _ in found[:6])
            raise UserError(
                f"holds {len(found)} images ({names}): give the folder of one of them"
            )
        if found:
            return found[0]
    raise UserError("is a Zarr group without an image in it: give the array's folder")


def _multiscales(group: Any) -> Any:
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes).get("multiscales")


def _own_axes(array: Any) -> str:
    """Return the axes that an array itself names: as Zarr 3 does, or as xarray does."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or dict(array.attrs).get("_ARRAY_DIMENSIONS") or []
    return "" if None in names else axes_named(list(map(str, names)))


def _name(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis)


def _spacing(image: Any, letters: str) -> tuple[Spacing, str]:
    """Return the scale of the first data set times that of the whole image."""
    scales = [
        transform["scale"]
        for part in (image["datasets"][0], image)
        for transform in part.get("coordinateTransformations") or []
        if transform.get("type") == "scale"
    ]
    if not scales:
        return UNKNOWN
    sizes = dict(zip(letters, np.prod(np.array(scales, float), axis=0), strict=True))
    units = dict(zip(letters, map(_unit, image.get("axes", [])), strict=False))
    z, y, x = (seven_digits(float(sizes[axis])) for axis in "zyx")
    of_z, of_y, of_x = (units.get(axis, PIXEL) for axis in "zyx")
    return in_one_unit((z, y, x), (of_z, of_y, of_x))


def _unit(axis: Any) -> str:
    return str(axis.get("unit", PIXEL)) if isinstance(axis, dict) else PIXEL


def _voxels(path: Path) -> Any:
    return read(path).array


FORMAT = Format(
    name="Zarr",
    endings=(".zarr",),
    matches=lambda path, _: is_zarr(path),
    read=read,
    write=write,
    needs=("zarr", "zarr"),
)
