"""Where the image of a volume is: beside a project, in it, or moved since."""

import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sparseseg.data import formats
from sparseseg.data.atomic import make_folder, remove, replacing
from sparseseg.data.files import open_volume
from sparseseg.data.on_disk import IN_MEMORY
from sparseseg.data.parts import joined, split_part
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.language import say
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
    part: str = ""

    @property
    def source(self) -> Path:
        """The name to open it by: the file or folder, and the part that is meant."""
        return joined(self.path, self.part)


def locate(home: Path, known: VolumeRecord) -> Located:
    """Find the image of a volume, also where it was moved or renamed.

    `home` is the project's folder. A file with the date of before is taken for unchanged.
    """
    path = (home / known.path).resolve()
    if not path.exists():
        found = find(known.content, ending_of(path), _places(home.resolve(), path))
        return Located(found or path, "moved" if found else "gone", known.part)
    is_same = modified(path) == known.modified or Content.of(path) == known.content
    return Located(path, "here" if is_same else "changed", known.part)


def found(home: Path, known: VolumeRecord) -> Located:
    """Return where the image of a volume is; a `Note` says so where it was moved.

    Raises `UserError` where it is gone.
    """
    located = locate(home, known)
    if located.state == "gone":
        raise UserError(
            "the image of {name!r} is gone: put it back to {path}, or "
            "anywhere next to the project",
            name=known.name,
            path=located.path,
        )
    if located.state == "moved":
        words = say(
            "the image of {name!r} was moved: it was found as {path}",
            name=known.name,
            path=located.path,
        )
        warnings.warn(words, Note, stacklevel=3)
    return located


def opened(located: Located, known: VolumeRecord) -> Volume:
    """Open the image of a volume, with the voxel size that the project has for it.

    A `Note` says so where it has changed. Raises `UserError` where another image has
    taken its place.
    """
    volume = open_volume(located.source, at_most=IN_MEMORY)
    if volume.shape != known.shape:
        raise UserError(
            "the image of {name!r} has changed: {path} is {shape} "
            "voxels and was {known_shape}; put the image of before back",
            name=known.name,
            path=located.path,
            shape=volume.shape,
            known_shape=known.shape,
        )
    if located.state == "changed":
        words = say(
            "the image of {name!r} has changed since it was added: {path}",
            name=known.name,
            path=located.path,
        )
        warnings.warn(words, Note, stacklevel=3)
    return replace(volume, spacing=known.spacing, unit=known.unit, name=known.name)


def find_images(given: Iterable[str | Path]) -> list[Path]:
    """Return the images that paths name: files, parts of them, folders and patterns.

    What is below a folder is not looked into. Raises `UserError` for a folder without
    images, and for a pattern that nothing fits.
    """
    found = [path for one in given for path in _images_of(one)]
    return list(dict.fromkeys(found))


def _images_of(name: str | Path) -> list[Path]:
    path, part = split_part(name)
    return [joined(path, part)] if part else _named(path)


def _named(path: Path) -> list[Path]:
    if path.is_dir() and not (ending_is_known(path) or formats.is_image_folder(path)):
        there = [inner for inner in sorted(path.iterdir()) if _is_image(inner)]
        words = say(
            "no image is in the folder {path}: give a folder of images", path=path
        )
    elif not path.exists() and any(mark in path.name for mark in "*?["):
        there = [
            inner for inner in sorted(path.parent.glob(path.name)) if _is_image(inner)
        ]
        words = say(
            "no image fits the pattern {path}: give one such as '*.tif'", path=path
        )
    else:
        return [path]
    if not there:
        raise UserError(words)
    return there


def _is_image(path: Path) -> bool:
    return ending_is_known(path) and not path.name.startswith(".")


def ending_is_known(path: Path) -> bool:
    """Tell whether the name of a file or folder says that it is an image."""
    return bool(formats.image_ending(path))


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
    copy = shutil.copytree if image.is_dir() else shutil.copy2
    with replacing(target) as beside:
        try:
            copy(image, beside)
        except OSError as error:
            raise UserError(
                "cannot copy {image} to {target} ({strerror}): make room, or leave "
                "--copy out",
                image=image,
                target=target,
                strerror=error.strerror,
            ) from error
    return target


def own_names(home: Path) -> list[str]:
    """Return the names of the images that are in a project, without endings."""
    return [formats.stem_of(path) for path in (home / COPIES).glob("*")]


@contextmanager
def removed_on_failure(path: Path) -> Iterator[None]:
    """Remove an image that was put into a project if the block raises."""
    try:
        yield
    except BaseException:
        remove(path)
        raise


def ending_of(path: Path) -> str:
    """Return the ending of an image's file as it is spelled, such as .nii.gz."""
    return formats.ending_of(path) or path.suffix


def modified(path: Path) -> int:
    """Return when a file, or anything in a folder, was changed, in nanoseconds since 1970."""
    # A file that was removed leaves a trace only in the date of its folder.
    inside = (inner for inner in path.rglob("*") if inner.exists())
    return max(each.stat().st_mtime_ns for each in (path, *inside))


def _places(home: Path, path: Path) -> Iterator[Path]:
    """Yield where an image that is gone may be: in the project, and round both."""
    yield from (home / COPIES, home.parent)
    for folder in path.parents[:2]:
        if folder.exists() and home.parent not in (folder, *folder.parents):
            yield folder
