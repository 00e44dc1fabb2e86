"""Zarr volumes: OME-Zarr images, and plain arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.on_disk import OnDisk, known_axes
from sparseseg.data.optional import library
from sparseseg.data.units import PIXEL, Spacing, canonical
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
    array, letters, spacing, unit, affine = _opened(path)
    stored: Any = OnDisk(array, letters)
    return Volume(stored, spacing, unit, affine=affine, name=path.name)


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
    own = {} if like.affine is None else {"affine": like.affine.tolist()}
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


def _opened(
    path: Path,
) -> tuple[Any, str, Spacing, str, NDArray[np.float64] | None]:
    """Return the array, its axes, voxel size, unit and orientation."""
    zarr = _zarr()
    found = zarr.open(str(path), mode="r")
    if isinstance(found, zarr.Array):
        return found, known_axes("", found.shape), (1.0, 1.0, 1.0), PIXEL, None
    attributes = dict(found.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise UserError(
            "is a Zarr group without an image in it: give the array's folder"
        )
    image = scales[0]
    array = found[image["datasets"][0]["path"]]
    letters = "".join(_letter(axis) for axis in image.get("axes", []))
    letters = known_axes(letters, array.shape)
    spacing, unit = _spacing(image, letters)
    affine = attributes.get("sparseseg", {}).get("affine")
    return array, letters, spacing, unit, None if affine is None else np.array(affine)


def _letter(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis).lower()


def _spacing(image: Any, letters: str) -> tuple[Spacing, str]:
    transforms = image["datasets"][0].get("coordinateTransformations", [])
    scales = [t["scale"] for t in transforms if t.get("type") == "scale"]
    if not scales:
        return (1.0, 1.0, 1.0), PIXEL
    by_letter = dict(zip(letters, map(float, scales[0]), strict=True))
    axes = [axis for axis in image["axes"] if _letter(axis) == "x"]
    unit = axes[0].get("unit", PIXEL) if isinstance(axes[0], dict) else PIXEL
    return (by_letter["z"], by_letter["y"], by_letter["x"]), canonical(str(unit))
