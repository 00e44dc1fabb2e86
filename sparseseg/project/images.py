"""Where the image of a volume is: beside a project, in it, or moved since."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sparseseg.data import formats
from sparseseg.data.atomic import make_folder
from sparseseg.errors import UserError
from sparseseg.project.content import Content, find
from sparseseg.project.record import VolumeRecord

COPIES = "volumes"
"""The folder of a project with the images that are its own."""
State = Literal["here", "moved", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Located:
    """Where the image of a volume is now, and whether it is as it was."""

    path: Path
    state: State


def locate(home: Path, known: VolumeRecord) -> Located:
    """Find the image of a volume, also where it was moved or renamed.

    `home` is the project's folder. A file with the date of before is taken for unchanged.
    """
    path = (home / known.path).resolve()
    if not path.exists():
        found = find(known.content, ending_of(path), _places(home.resolve(), path))
        return Located(found or path, "moved" if found else "gone")
    if modified(path) == known.modified:
        return Located(path, "here")
    is_same = Content.of(path) == known.content
    return Located(path, "here" if is_same else "changed")


def relative(home: Path, path: Path) -> str:
    """Return a path as seen from a project's folder, where that is possible."""
    absolute = path.resolve()
    with suppress(ValueError):  # another drive of Windows
        return Path(os.path.relpath(absolute, home.resolve())).as_posix()
    return absolute.as_posix()


def copied(home: Path, image: Path, name: str) -> Path:
    """Copy an image into a project; return where it is."""
    target = home / COPIES / f"{name}{ending_of(image)}"
    make_folder(target.parent)
    try:
        if image.is_dir():
            shutil.copytree(image, target)
        else:
            shutil.copy2(image, target)
    except OSError as error:
        raise UserError(
            f"cannot copy {image} to {target} ({error.strerror}): make room, or leave "
            "--copy out"
        ) from error
    return target


def ending_of(path: Path) -> str:
    """Return the ending of an image's file as it is spelled, such as .nii.gz."""
    return formats.ending_of(path) or path.suffix


def modified(path: Path) -> int:
    """Return when a file was changed last, in nanoseconds since 1970."""
    return path.stat().st_mtime_ns


def _places(home: Path, path: Path) -> Iterator[Path]:
    """Yield where an image that is gone may be: in the project, and round both."""
    yield from (home / COPIES, home.parent)
    for folder in path.parents[:2]:
        if folder.exists() and home.parent not in (folder, *folder.parents):
            yield folder
