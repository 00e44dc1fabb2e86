"""NRRD volumes, with voxel size and orientation."""

import gzip
import tempfile
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.data.class_names import KEY, from_words, in_words
from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.optional import library
from sparseseg.data.units import (
    PIXEL,
    UNKNOWN,
    Spacing,
    in_one_unit,
    seven_digits,
)
from sparseseg.data.volume import Volume, channels_first
from sparseseg.errors import UserError

# NRRD's world axes may run to the left and back; ours run as in NIfTI.
_FLIPS = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_OF_TIME = {"s", "sec", "second", "seconds", "ms", "msec", "min", "minute", "minutes"}
_IN_SPACE = {"domain", "space"}
_KINDS = {
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("short", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    "float": "f4",
    "double": "f8",
}


def read(path: Path) -> Volume:
    """Read a NRRD file, attached or detached; an axis outside of space holds channels."""
    array, header = _nrrd().read(str(path), index_order="F")
    channel = _channel_axis(header, array.ndim)
    values = channels_first(
        array.T, None if channel is None else array.ndim - 1 - channel
    )
    return _volume(values, header, array.ndim, path.name)


def open_on_disk(path: Path) -> Volume:
    """Do the same, but leave the voxels on disk; packed ones are unpacked beside.

    What lies in a second file, or is packed otherwise than by gzip, is read whole.
    """
    with path.open("rb") as file:
        header = _nrrd().read_header(file)
        kind = _KINDS.get(str(header["type"]).lower())
        encoding = str(header["encoding"]).lower()
        if kind is None or {"data file", "datafile", "line skip"} & set(header):
            return read(path)
        order = "<" if header.get("endian", "little") == "little" else ">"
        shape = tuple(int(size) for size in header["sizes"][::-1])
        if encoding == "raw" and not header.get("byte skip"):
            start = file.tell()
            stored = np.memmap(path, order + kind, "r", offset=start, shape=shape)
        elif encoding in ("gzip", "gz"):
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            with tempfile.TemporaryFile() as plain:
                _unpack(file, plain, size)
                stored = np.memmap(plain, order + kind, "r", shape=shape)
        else:
            return read(path)
    channel = _channel_axis(header, len(shape))
    spatial = iter("xyz")
    letters = ["c" if a == channel else next(spatial) for a in range(len(shape))]
    array: Any = OnDisk(stored, "".join(letters[::-1]), opened=partial(_voxels, path))
    return _volume(array, header, len(shape), path.name)


def _unpack(file: IO[bytes], plain: IO[bytes], size: int) -> None:
    """Unpack at most `size` bytes, whatever else the file holds."""
    with gzip.GzipFile(fileobj=file) as packed:
        while size and (block := packed.read(min(size, 2**20))):
            plain.write(block)
            size -= len(block)
    plain.flush()


def _volume(array: NDArray[Any], header: Any, axes: int, name: str) -> Volume:
    channel = _channel_axis(header, axes)
    spatial = [axis for axis in range(axes) if axis != channel]
    spacing, unit, world = _placed(header, spatial)
    is_named = str(header.get("space", "")).lower() in _FLIPS
    return Volume(
        array,
        spacing,
        unit,
        affine=world if is_named else None,
        frame=None if is_named else _frame(world, header),
        name=name,
        classes=from_words(header.get(KEY)),
    )


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array with the voxel size and orientation of `like`."""
    values = array[0].T if len(array) == 1 else array.T
    has_channels = values.ndim == 4
    units = [like.unit if like.unit != PIXEL else "pixel"] * 3
    header: dict[str, Any] = {"encoding": "gzip"}
    if like.affine is not None:
        directions = like.affine[:3, :3].T
        header["space"] = "right-anterior-superior"
        header["space units"] = units
        header["space origin"] = like.affine[:3, 3]
        header["space directions"] = [
            *directions,
            *([np.full(3, np.nan)] if has_channels else []),
        ]
        header["kinds"] = ["domain"] * 3 + ["list"] * has_channels
    else:
        nothing = [np.nan] * has_channels
        header["spacings"] = [*like.spacing[::-1], *nothing]
        header["units"] = [*units, *[""] * has_channels]
        header["kinds"] = ["domain"] * 3 + ["list"] * has_channels
    if like.classes.classes:
        header[KEY] = in_words(like.classes)
    # Detached headers would be a second file beside the first.
    with path.open("wb") as file:
        _nrrd().write(file, np.ascontiguousarray(values.T).T, header, index_order="F")


def _nrrd() -> Any:
    return library("nrrd", "NRRD", "pynrrd")


def _channel_axis(header: Any, axes: int) -> int | None:
    """Return the axis that is not in space, if there is one."""
    kinds = header.get("kinds")
    directions = header.get("space directions")
    outside: list[int] = []
    if directions is not None:
        outside = [
            axis
            for axis, direction in enumerate(directions)
            if direction is None or not np.isfinite(direction).all()
        ]
    elif kinds is not None:
        outside = [a for a, kind in enumerate(kinds) if kind.lower() not in _IN_SPACE]
    timed = _time_axes(header, axes)
    if any(header["sizes"][axis] > 1 for axis in timed):
        points = header["sizes"][timed[0]]
        raise UserError(
            "has a time axis of {points} points: save one time point", points=points
        )
    if len(outside) > 1 or (axes == 4 and not outside):
        raise UserError(
            "has {axes} axes, and the file does not say which one holds the channels: "
            "save z, y, x, or one axis of channels",
            axes=axes,
        )
    return outside[0] if outside else None


def _time_axes(header: Any, axes: int) -> list[int]:
    """Return the axes that are time by their kind, their label or their unit."""
    words = {"kinds": {"time"}, "labels": {"t", "time"}, "units": _OF_TIME}
    return [
        axis
        for axis in range(axes)
        if any(
            len(header.get(field) or ()) > axis
            and str(header[field][axis]).strip().lower() in known
            for field, known in words.items()
        )
    ]


def _placed(
    header: Any, spatial: list[int]
) -> tuple[Spacing, str, NDArray[np.float64] | None]:
    """Return voxel size, unit, and voxels x, y, z to the space of the file, if any."""
    directions = header.get("space directions")
    if directions is None:
        return *_spacing(header, spatial), None
    world = np.eye(4)
    world[:3, :3] = np.array([directions[axis] for axis in spatial], float).T
    world[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), float)
    space = str(header.get("space", "")).lower()
    units = header.get("space units") or ["mm" if space in _FLIPS else PIXEL] * 3
    scales, unit = in_one_unit((1.0, 1.0, 1.0), (units[2], units[1], units[0]))
    world[:3] *= np.array(scales[::-1])[:, None]
    x, y, z = map(seven_digits, np.linalg.norm(world[:3, :3], axis=0))
    spacing, unit = in_one_unit((z, y, x), (unit, unit, unit))
    world[:3] *= np.array(_FLIPS.get(space, (1, 1, 1)))[:, None]
    return spacing, unit, world


def _frame(
    world: NDArray[np.float64] | None, header: Any
) -> NDArray[np.float64] | None:
    """Return a place in a space without a name, where the file tells all of it."""
    if world is None or header.get("space origin") is None:
        return None
    is_whole = np.isfinite(world).all() and np.linalg.matrix_rank(world) == 4
    return world if is_whole else None


def _spacing(header: Any, spatial: list[int]) -> tuple[Spacing, str]:
    """Return voxel size and unit where a file lies in no space."""
    known, units = header.get("spacings"), header.get("units")
    if known is None:
        return UNKNOWN
    x, y, z = (seven_digits(float(known[axis])) for axis in spatial)
    names = [str(units[a]) for a in spatial] if units is not None else [PIXEL] * 3
    return in_one_unit((z, y, x), (names[2], names[1], names[0]))


def _voxels(path: Path) -> Any:
    return open_on_disk(path).array


FORMAT = Format(
    name="NRRD",
    endings=(".nrrd",),
    matches=lambda _, head: head.startswith(b"NRRD"),
    read=read,
    write=write,
    open_on_disk=open_on_disk,
    needs=("nrrd", "pynrrd"),
)
