"""Folders of slices: PNG, TIFF or JPEG pictures in the order of their numbers."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from sparseseg.data.formats.format import Format
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.language import say

_KINDS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_NUMBER = re.compile(r"(\d+)")
_NAMED = 4
_CLEAR = 255


def holds_slices(folder: Path) -> bool:
    """Tell whether a folder holds several pictures, and not volumes."""
    pictures = _pictures(folder)
    return len(pictures) > 1 and _is_flat(pictures[0])


def read(folder: Path) -> Volume:
    """Read all pictures of a folder as one volume; z runs with their numbers.

    Pictures say nothing of the distance between slices, so the voxels have no size.
    Raises `UserError` for pictures of several kinds, names, sizes or types, and for
    colour.
    """
    paths = _pictures(folder)
    _check_names(paths)
    first = _plane(paths[0])
    voxels = np.empty((1, len(paths), *first.shape), first.dtype)
    for index, path in enumerate(paths):
        plane = first if index == 0 else _plane(path)
        if (plane.shape, plane.dtype) != (first.shape, first.dtype):
            raise UserError(
                "holds slices that differ: {name} has {words}, "
                "{other} has {other_words}: give them one size and type",
                name=paths[0].name,
                words=_words(first),
                other=path.name,
                other_words=_words(plane),
            )
        voxels[0, index] = plane
    return Volume(voxels, name=folder.name)


def in_natural_order(path: Path) -> list[int | str]:
    """Return what paths are sorted by, so that slice 2 comes before slice 10."""
    return [
        int(part) if index % 2 else part
        for index, part in enumerate(_NUMBER.split(path.stem.casefold()))
    ]


def _pictures(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _KINDS
        and not path.name.startswith(".")
        and path.is_file()
    ]
    return sorted(found, key=in_natural_order)


def _check_names(paths: list[Path]) -> None:
    """Refuse pictures of several stacks, and say so where a number is missing."""
    kinds = sorted({_KINDS[path.suffix.lower()] for path in paths})
    if len(kinds) > 1:
        raise UserError(
            "holds {kinds} pictures: put those of one volume into a "
            "folder of their own",
            kinds=", ".join(kinds),
        )
    series = sorted({_NUMBER.sub("*", path.stem) for path in paths})
    if len(series) > 1:
        listed = ", ".join(series[:_NAMED])
        raise UserError(
            "holds pictures of {count} names ({listed}): put those of one volume "
            "into a folder of their own, with numbers alone to tell them apart",
            count=len(series),
            listed=listed,
        )
    _note_gap([in_natural_order(path) for path in paths])


def _note_gap(keys: list[list[int | str]]) -> None:
    numbers = [[part for part in key if isinstance(part, int)] for key in keys]
    running = [
        column
        for column in np.array(numbers, dtype=object).T.tolist()
        if len(set(column)) == len(column)
    ]
    if not running:
        return
    steps = np.diff(running[-1])
    if len(set(steps.tolist())) > 1:
        at = int(np.argmax(steps))
        warnings.warn(
            Note(
                "the numbers of the slices jump from {before} to "
                "{after}: a slice may be missing",
                before=running[-1][at],
                after=running[-1][at + 1],
            ),
            stacklevel=4,
        )


def _is_flat(path: Path) -> bool:
    if _KINDS[path.suffix.lower()] != "TIFF":
        return True
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages) == 1
    except (tifffile.TiffFileError, OSError, ValueError):
        return False


def _plane(path: Path) -> NDArray[Any]:
    """Return the y, x values of a picture, named where it cannot be read."""
    reader = _READERS[_KINDS[path.suffix.lower()]]
    try:
        return _grey(reader(path))
    except UserError as error:
        raise UserError(
            "holds {name}, which {error}", name=path.name, error=error
        ) from error
    except Exception as error:
        raise UserError(
            "holds {name}, which is damaged: {error}", name=path.name, error=error
        ) from error


def _tiff(path: Path) -> NDArray[Any]:
    with tifffile.TiffFile(path) as file:
        if len(file.pages) != 1:
            raise UserError("is a stack and no slice: give this file alone")
        return np.squeeze(file.asarray())


def _picture(path: Path) -> NDArray[Any]:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return np.asarray(image)


def _grey(values: NDArray[Any]) -> NDArray[Any]:
    """Return one value a pixel; of a colour picture only where all colours are equal."""
    plain = values.astype(np.uint8) if values.dtype == bool else values
    if plain.ndim == 2:
        return plain
    if plain.ndim != 3 or plain.shape[-1] not in (2, 3, 4):
        raise UserError(
            "has the shape {shape}, and a slice has y and x", shape=plain.shape
        )
    colours = plain if plain.shape[-1] == 3 else plain[..., :-1]
    is_clear = plain.shape[-1] == 3 or (plain[..., -1] == _CLEAR).all()
    if not is_clear or (colours != colours[..., :1]).any():
        raise UserError(
            "is a colour picture: save the grey values, or of labels their numbers, as "
            "one channel"
        )
    return colours[..., 0]


def _words(plane: NDArray[Any]) -> str:
    rows, columns = plane.shape
    return say(
        "{rows} x {columns} pixels of {dtype}",
        rows=rows,
        columns=columns,
        dtype=plane.dtype,
    )


_READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    "PNG": _picture,
    "JPEG": _picture,
    "TIFF": _tiff,
}


def _write(path: Path, _array: NDArray[Any], _like: Volume) -> None:
    raise UserError(
        "cannot write {path} as a folder of slices: write one file", path=path
    )


FORMAT = Format(
    name=say("a folder of slices"),
    endings=(),
    matches=lambda path, _: path.is_dir() and holds_slices(path),
    read=read,
    write=_write,
)
