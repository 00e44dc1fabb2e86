"""HDF5 volumes: one dataset of a file, as ilastik, Fiji or we write it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, from_words, in_words
from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk, axes_named, known_axes
from sparseseg.data.optional import library
from sparseseg.data.time_points import point_of
from sparseseg.data.units import PIXEL, UNKNOWN, Spacing, convert, in_one_unit
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say

_DATASET = "data"
_CHUNK = 64
_NAMED = {2, 3, 4, 5}
_LISTED = 6


def read(path: Path, part: str = "") -> Volume:
    """Read the one volume of an HDF5 file, or the data set at a path inside it.

    A part is such a path, a point of time such as t=3, or both: /movie#t=3. The voxels
    stay on disk.
    """
    place, _, time = part.rpartition("#") if part.startswith("/") else ("", "", part)
    if part.startswith("/") and not place:
        place, time = part, ""
    file = _h5py().File(path, "r")
    dataset = _dataset(file, place) if place else _only_volume(file, path)
    letters = _axes(dataset)
    spacing, unit = _spacing(dataset, letters)
    affine = dataset.attrs.get("affine")
    opened, point = partial(_voxels, path, part), point_of(time) if time else None
    stored: Any = OnDisk(dataset, letters, opened=opened, point=point)
    return Volume(
        stored,
        spacing,
        unit,
        affine=None if affine is None else np.asarray(affine, float),
        name=path.name,
        classes=from_words(dataset.attrs.get(KEY)),
    )


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array as the dataset `data`, compressed by chunks."""
    values = array[0] if len(array) == 1 else array
    # A chunk in a cache is written when the file is closed, where HDF5 crashes if the
    # disk is full.
    with _h5py().File(path, "w", rdcc_nbytes=0) as file:
        chunks = tuple(min(_CHUNK, side) for side in values.shape)
        dataset = file.create_dataset(
            _DATASET, data=values, chunks=chunks, compression="gzip", compression_opts=4
        )
        axes = "zyx" if values.ndim == 3 else "czyx"
        dataset.attrs["axes"] = axes
        dataset.attrs["element_size"] = like.spacing
        dataset.attrs["unit"] = like.unit
        if like.classes.classes:
            dataset.attrs[KEY] = in_words(like.classes)
        if like.unit != PIXEL:
            dataset.attrs["element_size_um"] = [
                convert(side, like.unit, "um") for side in like.spacing
            ]
        if like.affine is not None:
            dataset.attrs["affine"] = like.affine


def _h5py() -> Any:
    return library("h5py", "HDF5", "h5py")


def _volumes(file: Any) -> list[Any]:
    """Return the datasets that may be volumes; links out of the file are not followed."""
    h5py = _h5py()
    found: list[Any] = []

    def look(_name: str, item: Any) -> None:
        is_set = isinstance(item, h5py.Dataset)
        if is_set and item.ndim in _NAMED and item.dtype.kind in "buif":
            found.append(item)

    file.visititems(look)
    return [item for item in found if sum(n > 1 for n in item.shape) > 2] or found


def _only_volume(file: Any, path: Path) -> Any:
    volumes = _volumes(file)
    if len(volumes) == 1:
        return volumes[0]
    if not volumes:
        raise UserError("holds no dataset that may be a volume: choose another file")
    raise UserError(
        "holds {count} datasets that may be a volume ({names}): add "
        "the path of one, such as '{path}:{name}'",
        count=len(volumes),
        names=_names(volumes),
        path=path,
        name=volumes[0].name,
    )


def _dataset(file: Any, part: str) -> Any:
    volumes = _volumes(file)
    wanted = "/" + part.strip("/")
    found = next((item for item in volumes if item.name == wanted), None)
    if found is None:
        raise UserError(
            "has no dataset {wanted} that may be a volume: those that may are {names}",
            wanted=wanted,
            names=_names(volumes) or say("none"),
        )
    return found


def _names(volumes: list[Any]) -> str:
    return ", ".join(item.name for item in volumes[:_LISTED])


def _axes(dataset: Any) -> str:
    """Return one letter an axis, as ilastik, HDF5's own labels or we name them."""
    tags, named = dataset.attrs.get("axistags"), dataset.attrs.get("axes", "")
    labels = [dimension.label for dimension in dataset.dims]
    if isinstance(tags, bytes | str):
        named = "".join(axis["key"] for axis in json.loads(tags)["axes"])
    elif not len(named) and all(labels):
        named = axes_named(labels)
    words = named.decode() if isinstance(named, bytes) else "".join(map(str, named))
    return known_axes(words, dataset.shape)


def _spacing(dataset: Any, letters: str) -> tuple[Spacing, str]:
    """Return voxel size and unit; of sizes for all axes, those of z, y and x."""
    sizes, unit = dataset.attrs.get("element_size"), dataset.attrs.get("unit", "um")
    if sizes is None:
        sizes, unit = dataset.attrs.get("element_size_um"), "um"
    if sizes is None:
        # As the challenges of electron microscopy write it.
        sizes, unit = dataset.attrs.get("resolution"), "nm"
    if sizes is None:
        sizes, unit = _tagged_sizes(dataset), PIXEL
    if sizes is None:
        return UNKNOWN
    order = letters if len(sizes) == len(letters) else "zyx"
    by_letter = dict(zip(order, sizes, strict=False))
    if not set("zyx") <= set(by_letter):
        return UNKNOWN
    words = unit.decode() if isinstance(unit, bytes) else str(unit)
    z, y, x = (float(by_letter[axis]) for axis in "zyx")
    return in_one_unit((z, y, x), (words, words, words))


def _tagged_sizes(dataset: Any) -> list[float] | None:
    """Return the sizes in vigra's tags, in no known unit; it writes 0 for what is unset."""
    tags = dataset.attrs.get("axistags")
    if not isinstance(tags, bytes | str):
        return None
    sizes = [float(axis.get("resolution", 0)) for axis in json.loads(tags)["axes"]]
    return sizes if any(sizes) else None


def _voxels(path: Path, part: str) -> Any:
    return read(path, part).array


FORMAT = Format(
    name="HDF5",
    endings=(".h5", ".hdf5"),
    matches=lambda _, head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    read=read,
    read_part=read,
    write=write,
    needs=("h5py", "h5py"),
)
