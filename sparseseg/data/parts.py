"""The name of one part of a file or folder: `FOLDER#SERIES`, `FILE.h5:/DATASET`."""

from os import PathLike
from pathlib import Path

SERIES = "#"
"""Stands before the series of a DICOM folder."""
DATASET = ":"
"""Stands before the path of a data set in an HDF5 file, which begins with a slash."""


def joined(path: Path, part: str) -> Path:
    """Return the name that `split_part` takes apart."""
    if not part:
        return path
    return Path(f"{path}{DATASET if part.startswith('/') else SERIES}{part}")


def split_part(name: str | PathLike[str]) -> tuple[Path, str]:
    """Return the file or folder of a name, and the part of it that is meant, or "".

    A file whose own name holds these signs is found under this name.
    """
    path, words = Path(name), str(name)
    if path.exists():
        return path, ""
    for sign, start in ((SERIES, ""), (DATASET, "/")):
        before, found, part = words.rpartition(sign + start)
        if found and Path(before).exists():
            return Path(before), start + part
    return path, ""
