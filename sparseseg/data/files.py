"""Read and write volumes, annotations and truths, whatever their format."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.alignment import aligned
from sparseseg.data.atomic import replacing
from sparseseg.data.formats import hdf5, nifti, nrrd, tiff, zarr
from sparseseg.data.labels import SparseLabels
from sparseseg.data.numbering import to_annotation, to_truth
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.optional import library
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

FilePath = str | PathLike[str]
_Reader = Callable[[Path], Volume]
_Writer = Callable[[Path, NDArray[Any], Volume], None]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NIFTI = {(344, b"n+1\0"), (4, b"n+2\0\r\n\x1a\n")}
_NRRD = b"NRRD"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_OTHERS = {
    (0, b"\x89PNG"): "a PNG picture",
    (0, b"\xff\xd8\xff"): "a JPEG picture",
    (0, b"PK\x03\x04"): "a ZIP archive",
    (128, b"DICM"): "a DICOM file",
    (344, b"ni1\0"): "one half of a NIfTI pair (.hdr and .img)",
}
_WRITERS: dict[str, _Writer] = {
    ".tif": tiff.write,
    ".tiff": tiff.write,
    ".nii": nifti.write,
    ".nii.gz": nifti.write,
    ".nrrd": nrrd.write,
    ".h5": hdf5.write,
    ".hdf5": hdf5.write,
    ".zarr": zarr.write,
}
_LIBRARIES: dict[Any, tuple[str, str, str]] = {
    nifti.write: ("nibabel", "NIfTI", "nibabel"),
    nrrd.write: ("nrrd", "NRRD", "pynrrd"),
    hdf5.write: ("h5py", "HDF5", "h5py"),
    zarr.write: ("zarr", "Zarr", "zarr"),
}
ENDINGS = tuple(sorted(_WRITERS, key=len, reverse=True))
"""Of the names of files that can be read and written, the longest first."""


def read(path: FilePath) -> Volume:
    """Read a volume; the format is told by the content, not by the name.

    Raises `UserError` for whatever is not a whole volume of one point in time.
    """
    source = Path(path)
    reader = _reader_of(source)
    return _read(source, lambda: _in_memory(reader(source)))


def open_volume(path: FilePath, *, at_most: int) -> Volume:
    """Read a volume of at most so many bytes; a larger one stays on disk.

    What stays on disk can be predicted, but not trained on. Raises `UserError` as
    `read` does.
    """
    source = Path(path)
    reader = _reader_of(source)
    if _unpacked_bytes(source) > at_most:
        reader = _ON_DISK.get(reader, reader)

    def opened() -> Volume:
        volume = reader(source)
        return _in_memory(volume) if volume.array.nbytes <= at_most else volume

    return _read(source, opened)


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
_ON_DISK: dict[_Reader, _Reader] = {
    tiff.read: tiff.open_on_disk,
    nifti.read: nifti.open_on_disk,
    nrrd.read: nrrd.open_on_disk,
}


def _in_memory(volume: Volume) -> Volume:
    array: Any = volume.array
    return replace(volume, array=array[:]) if isinstance(array, OnDisk) else volume


def _read(source: Path, reading: Callable[[], Volume]) -> Volume:
    try:
        return reading()
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{source} is too large for this machine's memory") from error
    except Exception as error:
        # A broken or hostile file makes a parser fail in any way it can.
        raise UserError(
            f"{source} cannot be read, it is damaged or cut short: {_first_line(error)}"
        ) from error


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
        return replace(found, array=to_truth(found.array))


@contextmanager
def _naming(path: FilePath) -> Iterator[None]:
    """Begin a complaint with the file that it is about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


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
    channels = array if array.ndim == 4 else array[None]
    if channels.dtype.kind == "f":
        channels = channels.astype(np.float32, copy=False)
    _write(path, channels, replace(like, classes=ClassTable()))


def check_output(path: FilePath) -> None:
    """Raise `UserError` for a name whose ending is no format that can be written.

    To be called before long work whose result is written there.
    """
    writer: Any = _writer_of(Path(path))
    needed = _LIBRARIES.get(writer)
    if needed:
        library(*needed)


def _write(path: FilePath, array: NDArray[Any], like: Volume) -> None:
    if array.shape[1:] != like.shape:
        raise UserError(f"cannot write {array.shape[1:]} voxels as {like.shape}")
    writer = _writer_of(Path(path))
    with replacing(path) as beside:
        writer(beside, array, like)


def _writer_of(path: Path) -> _Writer:
    name = path.name.lower()
    ending = next((e for e in _WRITERS if name.endswith(e)), None)
    if ending is None:
        raise UserError(f"cannot write {path}: use an ending of {', '.join(_WRITERS)}")
    return _WRITERS[ending]


def _reader_of(path: Path) -> _Reader:
    if zarr.is_zarr(path):
        return zarr.read
    head = _head(path)
    if head.startswith(_TIFF):
        return tiff.read
    if any(head[at:].startswith(magic) for at, magic in _NIFTI):
        return nifti.read
    if head.startswith((_NRRD, _HDF5)):
        return nrrd.read if head.startswith(_NRRD) else hdf5.read
    found = (name for (at, m), name in _OTHERS.items() if head[at:].startswith(m))
    what = next(found, "some other kind of file")
    raise UserError(
        f"{path} is {what}: save the volume as TIFF, NIfTI, NRRD, HDF5 or OME-Zarr"
    )


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder but not a Zarr image: give one file")
    try:
        with nifti.open_stream(path) as stream:
            head = stream.read(348)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {_first_line(error)}") from error
    if not head:
        raise UserError(f"{path} is empty: copy or download it again")
    return head


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _single_channel(path: FilePath) -> Volume:
    volume = read(path)
    if volume.channels != 1:
        raise UserError(
            f"{path} has {volume.channels} channels, and labels have one: "
            "save the channel that holds them"
        )
    return volume
