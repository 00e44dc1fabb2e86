"""NIfTI volumes, with orientation, voxel size and the header they came with."""

import gzip
import logging
import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable
from sparseseg.data.class_names import KEY, from_words, in_words
from sparseseg.data.formats.format import Format
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.optional import library
from sparseseg.data.time_points import TimeSeriesError, check_point, point_of
from sparseseg.data.units import (
    PIXEL,
    canonical,
    convert,
    in_one_unit,
    seven_digits,
)
from sparseseg.data.volume import Volume, channels_first
from sparseseg.errors import UserError
from sparseseg.language import say

# Its notes on odd header fields would stand in the user's terminal.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

HEADER_SIZES = {348: "1", 540: "2"}
_GZIP = b"\x1f\x8b"
_TIME_UNITS = ("sec", "msec", "usec")
_UNITS = {"um": "micron", "mm": "mm", "m": "meter", PIXEL: "unknown"}


def open_stream(path: Path) -> BinaryIO:
    """Open a file for reading, through gzip where its content is compressed."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path)) if packed else path.open("rb")


def read(path: Path, part: str = "") -> Volume:
    """Read a NIfTI file whatever its ending; a fourth axis holds channels.

    A part such as t=3 takes the fourth axis for time, and one point of it.
    """
    point = point_of(part) if part else None
    with open_stream(path) as stream:
        version = HEADER_SIZES[_header_size(stream)]
        image = _kind(version, "Image").from_stream(stream)
        array = _array(image, point)
    return _volume(image, path, array)


def _volume(image: Any, path: Path, array: Any) -> Volume:
    header = image.header
    # Not the zooms: where they differ from the affine, the affine places the voxels.
    sizes = np.linalg.norm(image.affine[:3, :3], axis=0)
    is_placed = _is_placed(header)
    stored = _stored_sizes(path)
    if not (header["sform_code"] or stored.all()):
        sizes, is_placed = stored, False  # nibabel makes 1 of a size of 0
    x, y, z = (seven_digits(size) for size in sizes)
    unit = _unit(header)
    spacing, unit = in_one_unit((z, y, x), (unit, unit, unit))
    if not stored.all() and unit != PIXEL:
        header = header.copy()
        header["pixdim"][1:4] = spacing[::-1]
    return Volume(
        array,
        spacing=spacing,
        unit=unit,
        affine=np.array(image.affine, float) if is_placed else None,
        name=path.name,
        header=bytes(header.binaryblock),
        classes=_classes(header),
    )


def _stored_sizes(path: Path) -> NDArray[np.float64]:
    """Return the voxel size x, y, z as the header has it."""
    with open_stream(path) as stream:
        kind = _kind(HEADER_SIZES[_header_size(stream)], "Header")
        header = kind.from_fileobj(stream, check=False)
    found: NDArray[np.float64] = np.abs(header["pixdim"][1:4].astype(float))
    return found


def _classes(header: Any) -> ClassTable:
    """Return the classes that an extension of the header names."""
    mark = KEY.encode()
    for extension in header.extensions:
        content = extension.get_content()
        raw = content.encode() if isinstance(content, str) else bytes(content)
        if raw.startswith(mark):
            words = raw[len(mark) :].rstrip(b"\0").decode("ascii", "replace")
            return from_words(words)
    return ClassTable()


def _is_placed(header: Any) -> bool:
    """Tell whether a header says where its voxels lie, and not only how large they are."""
    return bool(header["sform_code"] or header["qform_code"])


def open_on_disk(path: Path, part: str = "") -> Volume:
    """Do the same, but leave the voxels on disk; a compressed file is unpacked beside."""
    point = point_of(part) if part else None
    with open_stream(path) as stream:
        version = HEADER_SIZES[_header_size(stream)]
        header = _kind(version, "Header").from_fileobj(stream, check=False)
    shape = header.get_data_shape()
    if not _is_plain(header) or shape[3:] != _without_single(shape)[3:]:
        return read(path, part)
    if point is None:
        _check_time(header, shape)
    plain = _unpacked(path)
    try:
        kind = _kind(version, "Image")
        image = kind.from_file_map(kind.make_file_map({"image": str(plain)}))
        _check_length(plain, image.dataobj)
        letters = ("xyzc" if point is None else "xyzt")[: len(shape)]
        opened = partial(_voxels, path, part)
        array = OnDisk(image.dataobj, letters, opened=opened, point=point)
    except BaseException:
        _drop_copy(plain, path)
        raise
    weakref.finalize(array, _drop_copy, plain, path)
    return _volume(image, path, array)


def _is_plain(header: Any) -> bool:
    """Tell whether values are numbers as they are stored, and of three axes or four."""
    is_scaled = header.get_slope_inter() not in ((None, None), (1, 0))
    is_colour = header.get_data_dtype().fields is not None
    return not is_scaled and not is_colour and len(header.get_data_shape()) <= 4


def _drop_copy(plain: Path, path: Path) -> None:
    """Remove the copy of a file without its compression, if it is one."""
    if plain != path:
        plain.unlink(missing_ok=True)


def _check_length(path: Path, stored: Any) -> None:
    """Refuse a file whose voxels are cut short, before any of them is asked for."""
    needed = stored.offset + int(np.prod(stored.shape)) * stored.dtype.itemsize
    if (size := path.stat().st_size) < needed:
        raise UserError(
            "is cut short: it holds {size:,} of {needed:,} bytes: copy or download it "
            "again",
            size=size,
            needed=needed,
        )


def _unpacked(path: Path) -> Path:
    """Return the file, or a copy of it without its compression."""
    with path.open("rb") as file:
        if file.read(2) != _GZIP:
            return path
    with (
        gzip.open(path) as packed,
        tempfile.NamedTemporaryFile(
            prefix="sparseseg-", suffix=".nii", delete=False
        ) as plain,
    ):
        try:
            shutil.copyfileobj(packed, plain, 2**20)
        except BaseException:
            Path(plain.name).unlink()
            raise
    return Path(plain.name)


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a c, z, y, x array with the orientation, units and codes of `like`."""
    values = (array[0] if len(array) == 1 else array).T
    header = _header(like)
    header.set_data_dtype(values.dtype)
    header.set_intent("none")
    header["cal_min"] = header["cal_max"] = 0  # the display range of another image
    if values.ndim == 4:
        header.set_xyzt_units(header.get_xyzt_units()[0], "unknown")
    if like.classes.classes:
        note = load_nibabel().nifti1.Nifti1Extension
        words = KEY + in_words(like.classes)
        header.extensions.append(note("comment", words.encode("ascii")))
    version = HEADER_SIZES[header.sizeof_hdr]
    _kind(version, "Image")(values, _affine(like, header), header).to_filename(path)


def tells_orientation(header: bytes) -> bool:
    """Tell whether a header says how the voxels lie in a patient or a scanner.

    Without a code for either of its two matrices only the voxel size is meant.
    """
    kind = _kind(HEADER_SIZES[len(header)], "Header")
    read = kind(header, check=False)
    return bool(read["qform_code"] > 0 or read["sform_code"] > 0)


def load_nibabel() -> Any:
    """Return the optional library, or raise `UserError` with its installation."""
    return library("nibabel", "NIfTI", "nibabel")


def _kind(version: str, part: str) -> Any:
    return getattr(load_nibabel(), f"Nifti{version}{part}")


def _header_size(stream: BinaryIO) -> int:
    start = stream.read(4)
    stream.seek(0)
    little, big = (int.from_bytes(start, order) for order in ("little", "big"))
    return little if little in HEADER_SIZES else big


def _array(image: Any, point: int | None) -> NDArray[Any]:
    """Return c, z, y, x values: as stored, or float32 where the header scales them."""
    stored = image.dataobj
    if stored.dtype.fields:
        raise UserError("holds colour (RGB) voxels: save one grey channel")
    is_scaled = (stored.slope, stored.inter) != (1, 0)
    if point is None:
        _check_time(image.header, stored.shape)
    else:
        check_point(point, stored.shape[3] if stored.ndim > 3 else 1)
    if point is not None and stored.ndim > 3:
        values = stored[:, :, :, point]  # no other point is read
    else:
        values = np.asarray(stored, np.float32 if is_scaled else None)
    kind = np.dtype(np.float32) if is_scaled else values.dtype.newbyteorder("=")
    native = values.astype(kind, copy=False)
    spatial = native.reshape(_without_single(native.shape))
    return channels_first(spatial.T, 0 if spatial.ndim == 4 else None)


def _without_single(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:3], *(n for n in shape[3:] if n > 1))


def _check_time(header: Any, shape: tuple[int, ...]) -> None:
    """Take the fourth axis for channels, unless its step has a unit of time."""
    timed = header.get_xyzt_units()[1] in _TIME_UNITS and header["pixdim"][4] > 0
    if len(shape) > 3 and shape[3] > 1 and timed:
        hint = say("; if these are channels, set the unit of time to unknown")
        raise TimeSeriesError(shape[3], hint)


def _unit(header: Any) -> str:
    """Return the unit of length; files that name none mean mm."""
    unit = canonical(header.get_xyzt_units()[0])
    return "mm" if unit == PIXEL else unit


def _header(like: Volume) -> Any:
    if like.header:
        kind = _kind(HEADER_SIZES[len(like.header)], "Header")
        return kind(like.header, check=False)
    header = _kind("1", "Header")()
    unit = _known_unit(like.unit)
    spacing = like.spacing_in(unit)
    header.set_data_shape(like.shape[::-1])
    header.set_zooms(spacing[::-1])
    header.set_xyzt_units(_UNITS[unit])
    return header


def _affine(like: Volume, header: Any) -> NDArray[np.float64]:
    """Return voxels to world in the unit of the header."""
    if like.affine is None:
        found: NDArray[np.float64] = header.get_best_affine()
        return found
    if like.header or like.unit == PIXEL:
        return like.affine
    scale = convert(1.0, like.unit, _known_unit(like.unit))
    return np.diag([scale, scale, scale, 1.0]) @ like.affine


def _known_unit(unit: str) -> str:
    """Return a unit that NIfTI has a code for."""
    return {"nm": "um", "cm": "mm"}.get(unit, unit)


def _is_nifti(_path: Path, head: bytes) -> bool:
    magic = {344: b"n+1\0", 4: b"n+2\0\r\n\x1a\n"}
    return any(head[at:].startswith(words) for at, words in magic.items())


def _voxels(path: Path, part: str) -> Any:
    return open_on_disk(path, part).array


FORMAT = Format(
    name="NIfTI",
    endings=(".nii", ".nii.gz"),
    matches=_is_nifti,
    read=read,
    read_part=read,
    write=write,
    open_on_disk=open_on_disk,
    open_part_on_disk=open_on_disk,
    needs=("nibabel", "nibabel"),
)
