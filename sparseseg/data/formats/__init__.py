"""One module for each file format, and the one list of them.

A package adds its own by an entry point of the group `sparseseg.formats` that names a
`Format`. It is asked after ours.
"""

from pathlib import Path

from sparseseg.data.formats import (
    dicom,
    dicom_seg,
    hdf5,
    mrc,
    nifti,
    nrrd,
    slices,
    tiff,
    zarr,
)
from sparseseg.data.formats.added import added
from sparseseg.data.formats.format import HEAD_BYTES, Format

__all__ = [
    "ENDINGS",
    "FORMATS",
    "HEAD_BYTES",
    "Format",
    "beside",
    "ending_of",
    "format_of",
    "image_ending",
    "is_image_folder",
    "named",
    "result_ending",
    "stem_of",
]

FORMATS: tuple[Format, ...] = (
    tiff.FORMAT,
    nifti.FORMAT,
    nrrd.FORMAT,
    hdf5.FORMAT,
    zarr.FORMAT,
    mrc.FORMAT,
    dicom_seg.FORMAT,
    dicom.FORMAT,
    slices.FORMAT,
    *added(),
)

ENDINGS = tuple(
    sorted((e for one in FORMATS for e in one.endings), key=len, reverse=True)
)
"""Of the names of files that can be read and written, the longest first."""


def format_of(path: Path, head: bytes) -> Format | None:
    """Return the format that a file or folder is of by its content, if there is one."""
    return next((one for one in FORMATS if one.matches(path, head)), None)


def named(path: Path) -> Format | None:
    """Return the format that the name of a file asks for, if there is one."""
    name = path.name.lower()
    return next((f for f in FORMATS if f.endings and name.endswith(f.endings)), None)


def ending_of(path: Path) -> str:
    """Return the ending of a file's name as it is spelled; "" if it is of no format."""
    name = path.name
    known = (len(e) for e in ENDINGS if name.lower().endswith(e))
    return name[len(name) - next(known, 0) :]


def image_ending(path: Path) -> str:
    """Return the ending of a file's name; "" if it is of no format of images."""
    found = named(path)
    return "" if found is None or found.labels_only else ending_of(path)


def stem_of(path: Path) -> str:
    """Return a file's name without the ending of its format, or else its last ending."""
    ending = ending_of(path) or path.suffix
    plain = path.name.removesuffix(ending).removesuffix(".ome")
    return plain or path.name


def beside(labels: Path, word: str) -> Path:
    """Return the image NAME-word beside a file of labels, of its format if possible."""
    ending = image_ending(labels) or ".nii.gz"
    return labels.with_name(f"{stem_of(labels)}-{word}{ending}")


def is_image_folder(path: Path) -> bool:
    """Tell whether a folder as a whole is one image, or holds series of slices."""
    return path.is_dir() and format_of(path, b"") is not None


def result_ending(image: Path) -> str:
    """Return the ending of what is computed of an image: its own where that is written."""
    if ending := image_ending(image):
        return ending
    return ".nii.gz" if dicom.FORMAT.matches(image, b"") else ".tif"
