"""Read and write volumes, annotations and truths, whatever their format."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.alignment import aligned
from sparseseg.data.atomic import replacing
from sparseseg.data.formats import (
    FORMATS,
    HEAD_BYTES,
    Format,
    format_of,
    named,
    nifti,
)
from sparseseg.data.labels import SparseLabels
from sparseseg.data.numbering import to_annotation, to_truth
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.parts import split_part
from sparseseg.data.time_points import ALL, TimeSeriesError
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say

FilePath = str | PathLike[str]

_OTHERS = {
    (0, b"\x89PNG"): say("a PNG picture"),
    (0, b"\xff\xd8\xff"): say("a JPEG picture"),
    (0, b"PK\x03\x04"): say("a ZIP archive"),
    (344, b"ni1\0"): say("one half of a NIfTI pair (.hdr and .img)"),
}


def read(path: FilePath) -> Volume:
    """Read a volume; the format is told by the content, not by the name.

    A name may ask for a part: `FOLDER#SERIES` for DICOM. Raises `UserError` for whatever
    is not a whole volume of one point in time.
    """
    source, part = split_part(path)
    reading = _reading(source, part)
    return _read(path, lambda: _in_memory(reading()))


def open_volume(path: FilePath, *, at_most: int) -> Volume:
    """Read a volume of at most so many bytes; a larger one stays on disk.

    What stays on disk is read box by box. Raises `UserError` as `read` does.
    """
    source, part = split_part(path)
    reading = _reading(source, part, at_most)

    def opened() -> Volume:
        volume = reading()
        return _in_memory(volume) if volume.array.nbytes <= at_most else volume

    return _read(path, opened)


def _reading(
    source: Path, part: str, at_most: int | None = None
) -> Callable[[], Volume]:
    """Return what reads a file or a part of it, on disk where it is larger than asked."""
    found = _format_of(source)
    is_large = at_most is not None and _unpacked_bytes(source) > at_most
    if not part:
        stays = found.open_on_disk if is_large else None
        return partial(stays or found.read, source)
    if found.read_part is None:
        raise UserError(
            "{source} has no parts: leave out {part!r}", source=source, part=part
        )
    stays_too = found.open_part_on_disk if is_large else None
    return partial(stays_too or found.read_part, source, part)


def _unpacked_bytes(path: Path) -> int:
    """Return about how large a file is without its compression."""
    if path.is_dir():
        return 0  # a Zarr store is opened without reading it
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    # Of a NRRD file only the voxels are packed, behind a header in plain words.
    packed = packed or path.suffix.lower() == ".nrrd"
    return path.stat().st_size * (_GZIP_RATIO if packed else 1)


_GZIP_RATIO = 4


def _in_memory(volume: Volume) -> Volume:
    array = volume.array
    return replace(volume, array=array[:]) if isinstance(array, OnDisk) else volume


def _read(source: FilePath, reading: Callable[[], Volume]) -> Volume:
    try:
        return reading()
    except TimeSeriesError as error:
        raise error.about(source) from error
    except UserError as error:
        raise UserError("{source}: {error}", source=source, error=error) from error
    except MemoryError as error:
        raise UserError(
            "{source} is too large for this machine's memory", source=source
        ) from error
    except Exception as error:
        # A broken or hostile file makes a parser fail in any way it can.
        raise UserError(
            "{source} cannot be read, it is damaged or cut short: {first_line}",
            source=source,
            first_line=_first_line(error),
        ) from error


def frames(path: FilePath) -> list[str]:
    """Return the names of all points of time that `FILE#t=all` asks for.

    Any other name is returned alone. Raises `UserError` as `open_volume` does.
    """
    source, part = split_part(path)
    if part != ALL:
        return [str(path)]
    try:
        open_volume(source, at_most=0)
    except TimeSeriesError as series:
        return [f"{source}#t={point}" for point in range(series.points)]
    return [f"{source}#t=0"]


def read_annotation(
    path: FilePath,
    *,
    unlabelled: int = UNLABELLED,
    background: int = BACKGROUND,
    like: Volume | None = None,
) -> SparseLabels:
    """Read an annotation as `read_labels` does, with the class names of its file."""
    volume = _single_channel(path)
    with _naming(path):
        values = np.asarray((aligned(volume, like) if like else volume).array[0])
        array = to_annotation(values, unlabelled=unlabelled, background=background)
    return SparseLabels(array, table=volume.classes if volume.classes.classes else None)


def read_labels(
    path: FilePath,
    *,
    unlabelled: int = UNLABELLED,
    background: int = BACKGROUND,
    like: Volume | None = None,
) -> NDArray[np.uint8]:
    """Read an annotation of any numbering into ours, axes z, y, x.

    `unlabelled` and `background` are the file's values. With the image as `like` the
    voxels come in its order, as `sparseseg.data.alignment.aligned` says.
    """
    return read_annotation(
        path, unlabelled=unlabelled, background=background, like=like
    ).array


def read_truth(path: FilePath, *, like: Volume | None = None) -> NDArray[Any]:
    """Read a dense segmentation: integers, 0 for background, axes z, y, x.

    `like` is the image, as for `read_labels`.
    """
    return np.asarray(read_dense(path, like=like).array[0])


def read_dense(path: FilePath, *, like: Volume | None = None) -> Volume:
    """Read a dense segmentation as `read_truth` does, with its voxel size."""
    volume = _single_channel(path)
    with _naming(path):
        found = aligned(volume, like) if like else volume
        return replace(found, array=to_truth(np.asarray(found.array)))


@contextmanager
def _naming(path: FilePath) -> Iterator[None]:
    """Begin a complaint with the file that it is about."""
    try:
        yield
    except UserError as error:
        raise UserError("{path}: {error}", path=path, error=error) from error


def write_labels(
    path: FilePath,
    labels: NDArray[np.integer[Any]],
    like: Volume,
    *,
    table: ClassTable | None = None,
) -> None:
    """Write z, y, x labels with voxel size and orientation of `like`, and class names."""
    _write(path, labels[None], replace(like, classes=table or ClassTable()))


def write_image(path: FilePath, array: NDArray[Any], like: Volume) -> None:
    """Write z, y, x or c, z, y, x values placed like `like`: real ones as float32."""
    if _named(Path(path)).labels_only:
        raise UserError(
            "cannot write {path}: this format holds labels only; write NIfTI, such as "
            "x.nii.gz",
            path=path,
        )
    channels = array if array.ndim == 4 else array[None]
    if channels.dtype.kind == "f":
        channels = channels.astype(np.float32, copy=False)
    _write(path, channels, replace(like, classes=ClassTable()))


def check_output(path: FilePath, *, like: Volume | None = None) -> None:
    """Raise `UserError` for a name whose ending is no format that can be written.

    With `like` also where labels of this image cannot be written in this format. To be
    called before long work whose result is written there.
    """
    found = _named(Path(path))
    found.check_library()
    if like is not None and found.check is not None:
        found.check(like)


def _write(path: FilePath, array: NDArray[Any], like: Volume) -> None:
    if array.shape[1:] != like.shape:
        raise UserError(
            "cannot write {shape} voxels as {like_shape}",
            shape=array.shape[1:],
            like_shape=like.shape,
        )
    found = _named(Path(path))
    with replacing(path) as beside:
        found.write(beside, array, like)


def _named(path: Path) -> Format:
    found = named(path)
    if found is None:
        endings = ", ".join(ending for one in FORMATS for ending in one.endings)
        raise UserError(
            "cannot write {path}: use an ending of {endings}",
            path=path,
            endings=endings,
        )
    return found


def _format_of(path: Path) -> Format:
    head = b"" if path.is_dir() else _head(path)
    if found := format_of(path, head):
        return found
    if path.is_dir():
        raise UserError(
            "{path} is a folder, but no Zarr image, DICOM series or stack of slices: "
            "give one file",
            path=path,
        )
    others = (name for (at, m), name in _OTHERS.items() if head[at:].startswith(m))
    what = next(others, say("some other kind of file"))
    known = [one.name for one in FORMATS if one.endings]
    raise UserError(
        "{path} is {what}: save the volume as one of {known}",
        path=path,
        what=what,
        known=", ".join(known),
    )


def _head(path: Path) -> bytes:
    try:
        with nifti.open_stream(path) as stream:
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            "cannot read {path}: {first_line}", path=path, first_line=_first_line(error)
        ) from error
    if not head:
        raise UserError("{path} is empty: copy or download it again", path=path)
    return head


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _single_channel(path: FilePath) -> Volume:
    volume = read(path)
    if volume.channels != 1:
        raise UserError(
            "{path} has {channels} channels, and labels have one: "
            "save the channel that holds them",
            path=path,
            channels=volume.channels,
        )
    return volume
