"""MRC volumes of electron microscopy, with voxel size in angstrom."""

import bz2
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.optional import library
from sparseseg.data.units import (
    PIXEL,
    UNKNOWN,
    Spacing,
    convert,
    in_one_unit,
    seven_digits,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

_AXES = {1: "x", 2: "y", 3: "z"}
_ANGSTROM = 0.1  # nm
_PACKED = (b"\x1f\x8b", b"BZ")


def read(path: Path) -> Volume:
    """Read an MRC file whole; a stack of volumes holds channels."""
    with _mrcfile().open(path, header_only=False) as file:
        values = np.array(file.data)
        stored = OnDisk(values, _letters(file))
        array = np.ascontiguousarray(stored[:])
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return Volume(native, *_spacing(file), name=path.name)


def open_on_disk(path: Path) -> Volume:
    """Do the same, but leave the voxels on disk; a packed file is read whole."""
    with path.open("rb") as start:
        if start.read(2) in _PACKED:
            return read(path)
    file = _mrcfile().mmap(path)
    array: Any = OnDisk(file.data, _letters(file), opened=partial(_voxels, path))
    return Volume(array, *_spacing(file), name=path.name)


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array; MRC has no bytes without sign, so they get two bytes."""
    values = array.astype(np.uint16) if array.dtype.kind == "b" else array
    if values.dtype.kind in "iu" and values.dtype.itemsize > 2:
        raise UserError(
            "cannot write {dtype} as MRC, which holds whole numbers of 16 bits: "
            "choose .ome.tif or .nii.gz",
            dtype=values.dtype,
        )
    with _mrcfile().new(path, overwrite=True) as file:
        file.set_data(values[0] if len(values) == 1 else values)
        if len(values) == 1:
            file.set_volume()
        if like.unit != PIXEL:
            sizes = [
                convert(side, like.unit, "nm") / _ANGSTROM for side in like.spacing
            ]
            file.voxel_size = tuple(sizes[::-1])


def _mrcfile() -> Any:
    return library("mrcfile", "MRC", "mrcfile")


def _letters(file: Any) -> str:
    """Return the axes as they lie in the file, the slowest first."""
    header = file.header
    axes: int = file.data.ndim
    if axes < 3:
        raise UserError("is a 2-D picture, and a volume is needed: save a stack")
    order = [int(header[name]) for name in ("maps", "mapr", "mapc")]
    if order == [0, 0, 0]:
        order = [3, 2, 1]
    if sorted(order) != [1, 2, 3]:
        raise UserError(
            "has axes {order} and not 1, 2, 3: correct its header", order=order[::-1]
        )
    return "c" * (axes - 3) + "".join(_AXES[axis] for axis in order)


def _spacing(file: Any) -> tuple[Spacing, str]:
    """Return the size of the cell divided by its voxels; 0 stands for not known."""
    size = file.voxel_size
    z, y, x = (seven_digits(float(size[axis])) for axis in "zyx")
    if not np.isfinite((z, y, x)).all() or not any((z, y, x)):
        return UNKNOWN
    return in_one_unit((z, y, x), ("angstrom",) * 3)


def _voxels(path: Path) -> Any:
    return open_on_disk(path).array


def _matches(path: Path, head: bytes) -> bool:
    return head[208:211] == b"MAP" or (head[:2] == b"BZ" and b"MAP" in _unpacked(path))


def _unpacked(path: Path) -> bytes:
    try:
        with bz2.open(path) as file:
            return file.read(212)[208:]
    except (OSError, EOFError):
        return b""


FORMAT = Format(
    name="MRC",
    endings=(".mrc", ".rec", ".map", ".st"),
    matches=_matches,
    read=read,
    write=write,
    open_on_disk=open_on_disk,
    needs=("mrcfile", "mrcfile"),
)
