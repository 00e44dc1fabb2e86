"""Which volumes a batch has, and where each prediction goes: settled before it begins."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sparseseg.batch.settings import BatchSettings
from sparseseg.data.atomic import make_folder
from sparseseg.data.files import check_output, frames
from sparseseg.data.formats import (
    ENDINGS,
    beside,
    ending_of,
    image_ending,
    is_image_folder,
    result_ending,
)
from sparseseg.data.overwriting import check_overwrites
from sparseseg.data.parts import split_part
from sparseseg.data.time_points import ALL
from sparseseg.errors import UserError
from sparseseg.language import say

STATE_FOLDER, SETTINGS = ".sparseseg", "settings.json"
_CHUNK = 2**22


@dataclass(frozen=True, slots=True)
class Item:
    """One volume of a batch."""

    name: str
    """Its path below the folder, which is how it is told from others."""
    image: Path
    prediction: Path
    truth: Path | None = None
    part: str = ""
    """The point of time in the file, such as t=3, if it is one of a series."""

    @property
    def source(self) -> Path:
        """What is opened: the file, with the point of time."""
        return Path(f"{self.image}#{self.part}") if self.part else self.image

    @property
    def uncertainty(self) -> Path:
        """Where the uncertainty goes, if it is wanted."""
        return beside(self.prediction, "uncertainty")


def find_items(settings: BatchSettings) -> list[Item]:
    """Return the volumes in the order of their names.

    Raises `UserError` for a folder that is not there or empty, a pattern that nothing
    fits, two results that would have one name, truths that are not there, and an output
    that cannot be written, would be read as input or would replace one.
    """
    folder, output = Path(settings.folder), Path(settings.output)
    if not folder.exists():
        raise UserError("there is no folder {folder}: check the path", folder=folder)
    if _is_volume(folder):
        folder, images = folder.parent, [folder]
    else:
        _check_apart(folder, output)
        images = sorted(_images(folder, settings.pattern))
    if not images:
        raise UserError(_nothing(folder, settings.pattern))
    stems = [_stem(image.relative_to(folder)) for image in images]
    _check_names(stems, images)
    check_output(f"x{_ending(images[0], settings.ending)}")
    items = [
        _item(image, image.relative_to(folder), output, settings, part)
        for image in images
        for part in (_points(image) if settings.times else [""])
    ]
    _check_truths(items, settings)
    _check_results(items, settings)
    make_folder(output)
    make_folder(output / STATE_FOLDER)
    return items


def _item(
    image: Path, inner: Path, output: Path, settings: BatchSettings, part: str
) -> Item:
    """Return a volume, or one point of time of a series."""
    stem = f"{_stem(inner)}-{part.replace('=', '')}" if part else _stem(inner)
    return Item(
        f"{inner}#{part}" if part else str(inner),
        image,
        output / f"{stem}{_ending(image, settings.ending)}",
        _truth(settings.truth, stem),
        part,
    )


def _points(image: Path) -> list[str]:
    """Return all points of time of a series; "" for what is none, or cannot be read."""
    try:
        names = frames(f"{image}#{ALL}")
    except UserError:
        return [""]  # told when its turn comes, and the others go on
    parts = [split_part(name)[1] for name in names]
    return parts if len(parts) > 1 else [""]


def fingerprint(path: Path) -> str:
    """Return a hash of a file's content, or of all files of a Zarr folder."""
    digest = hashlib.sha256()
    files = (
        sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    )
    for file in files:
        if path.is_dir():
            digest.update(os.fsencode(file.relative_to(path)))
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _images(folder: Path, pattern: str) -> Iterable[Path]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise UserError(
            "a pattern must stay inside the folder, got {pattern!r}", pattern=pattern
        )
    seen: set[Path] = set()
    for path in sorted(folder.glob(pattern)):
        inner = path.relative_to(folder)
        if any(part.startswith(".") for part in inner.parts):
            continue
        if not seen.isdisjoint(path.parents):
            continue
        if path.suffix == ".zarr" or is_image_folder(path):
            seen.add(path)
            yield path
        elif image_ending(path) and path.is_file():
            yield path


def _is_volume(path: Path) -> bool:
    return path.suffix == ".zarr" or (bool(image_ending(path)) and path.is_file())


def _nothing(folder: Path, pattern: str) -> str:
    every = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if not every:
        return say(
            "the folder {folder} is empty: choose the one with the volumes",
            folder=folder,
        )
    there = ", ".join(sorted(every)[:4])
    return say(
        "no volume in {folder} fits the pattern {pattern!r}; it holds {there}: give a "
        "pattern such as '*.tif'; known endings are {endings}",
        folder=folder,
        pattern=pattern,
        there=there,
        endings=", ".join(sorted(ENDINGS)),
    )


def _stem(inner: Path) -> str:
    """Return a path below the folder as one name, without its ending."""
    flat = "__".join(inner.parts)
    return flat.removesuffix(ending_of(inner))


def _ending(image: Path, wanted: str) -> str:
    if wanted:
        return wanted if wanted.startswith(".") else f".{wanted}"
    return result_ending(image)


def _check_names(stems: list[str], images: list[Path]) -> None:
    # Some file systems tell no capitals from small letters.
    for stem, times in Counter(stem.casefold() for stem in stems).items():
        if times > 1:
            names = [
                image.name
                for image, own in zip(images, stems, strict=True)
                if own.casefold() == stem
            ]
            raise UserError(
                "{names} would both become {stem}: rename one, or give "
                "a pattern that fits one of them",
                names=", ".join(names),
                stem=stem,
            )


def _check_apart(folder: Path, output: Path) -> None:
    inside = output.resolve()
    if inside == folder.resolve() or folder.resolve() in inside.parents:
        raise UserError(
            "the output {output} lies in the input {folder}, and its predictions would "
            "be taken for volumes: choose a folder outside",
            output=output,
            folder=folder,
        )


def _check_truths(items: list[Item], settings: BatchSettings) -> None:
    if not settings.truth:
        return
    folder = Path(settings.truth)
    if not folder.is_dir():
        raise UserError(
            "there is no folder {folder} with truths: check the path", folder=folder
        )
    if folder.resolve() == Path(settings.output).resolve():
        raise UserError(
            "the output {folder} is the folder of the truths, and the predictions would "
            "be taken for them: choose another folder for one of them",
            folder=folder,
        )
    if not any(item.truth for item in items):
        raise UserError(
            "no truth in {folder} has the name of a volume, such as "
            "{name}: give the truths the names of the images",
            folder=folder,
            name=items[0].prediction.name,
        )


def _check_results(items: list[Item], settings: BatchSettings) -> None:
    """Check all that is written against all that is read."""
    results = [item.prediction for item in items]
    if settings.uncertainty:
        results += [item.uncertainty for item in items]
    images = [item.image for item in items]
    truths = [item.truth for item in items if item.truth]
    check_overwrites(results, [Path(settings.model), *images, *truths])


def _truth(folder: str, stem: str) -> Path | None:
    if not folder:
        return None
    found = [Path(folder) / f"{stem}{ending}" for ending in ENDINGS]
    return next((path for path in found if path.exists()), None)
