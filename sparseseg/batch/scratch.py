"""The arrays of a prediction, within a stated memory: large ones lie in files."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.batch.items import Item
from sparseseg.batch.kept_tiles import TileLog
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.atomic import clear_unfinished
from sparseseg.data.on_disk import let_go
from sparseseg.data.volume import Volume
from sparseseg.engine.output import Output
from sparseseg.engine.segment import VOLUME_SHARE
from sparseseg.errors import UserError


@dataclass(frozen=True, slots=True)
class ScratchPlace:
    """Where the files of one volume lie until its results are written."""

    item: Item
    settings: BatchSettings
    key: str
    """Of image, model and settings: tiles of another one are of no use."""

    def path(self, word: str) -> Path:
        """Return the path of one file."""
        return Path(self.settings.output) / f".{self.item.prediction.name}.{word}.part"


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """The arrays of a prediction."""

    out: Output
    log: TileLog | None
    """Which tiles are there, of arrays that lie in files."""


@contextmanager
def scratch_for(
    volume: Volume, place: ScratchPlace, *, outputs: int
) -> Iterator[Scratch]:
    """Give the arrays of a prediction, with probabilities of so many outputs.

    Those of a large volume lie in files that go afterwards. Where anything fails after
    a tile they stay, and the next batch finds what they hold.
    """
    settings = place.settings
    voxels = int(np.prod(volume.shape))
    if outputs and voxels * 4 * outputs > settings.bytes:
        raise UserError(
            "{name} has {voxels} voxels, and a rule about probabilities "
            "needs all of them in memory: give more memory, or leave the rule out",
            name=volume.name,
            voxels=voxels,
        )
    probabilities = np.zeros((outputs, *volume.shape), np.float32) if outputs else None
    words = ["labels", "uncertainty"] if settings.uncertainty else ["labels"]
    if voxels <= settings.bytes * VOLUME_SHARE:
        arrays = [np.zeros(volume.shape, np.uint8) for _ in words]
        yield Scratch(_output(arrays, probabilities), None)
        return
    log = TileLog(place.path("tiles"), place.key)
    try:
        arrays = _kept_arrays(volume, place, words, log)
        # Probabilities lie in no file: without them there is nothing to go on from.
        yield Scratch(
            _output(arrays, probabilities), log if probabilities is None else None
        )
    except Exception:
        if not log.tiles():
            _remove(place)
        raise
    _remove(place)


def _output(
    arrays: list[NDArray[np.uint8]], probabilities: NDArray[np.float32] | None
) -> Output:
    uncertainty = arrays[1] if len(arrays) > 1 else None
    return Output(arrays[0], uncertainty, probabilities)


def _kept_arrays(
    volume: Volume, place: ScratchPlace, words: list[str], log: TileLog
) -> list[NDArray[Any]]:
    """Open the arrays of a batch that did not end, or make new ones."""
    paths = [place.path(word) for word in words]
    size = int(np.prod(volume.shape))
    is_whole = all(path.exists() and path.stat().st_size == size for path in paths)
    if place.settings.resume and is_whole and log.is_begun:
        return [np.memmap(p, np.uint8, "r+", shape=volume.shape) for p in paths]
    log.forget()  # before the arrays are emptied
    made = [_in_file(path, np.dtype(np.uint8), volume.shape) for path in paths]
    log.begin()
    return made


def _remove(place: ScratchPlace) -> None:
    for word in _KEPT:
        place.path(word).unlink(missing_ok=True)


_KEPT = ("labels", "uncertainty", "tiles")


@contextmanager
def shares_of(
    uncertainty: NDArray[np.uint8], place: ScratchPlace
) -> Iterator[NDArray[np.float32]]:
    """Give 0..255 as 0..1; of an array that lies in a file, in another file."""
    if not isinstance(uncertainty, np.memmap):
        yield uncertainty.astype(np.float32) / np.float32(255)
        return
    path = place.path("shares")
    try:
        shares = _in_file(path, np.dtype(np.float32), uncertainty.shape)
        for plane, out in zip(uncertainty, shares, strict=True):
            np.divide(plane, np.float32(255), out=out)
            let_go(uncertainty, shares)
        yield shares
    finally:
        path.unlink(missing_ok=True)


def _in_file(path: Path, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of zeros that lies in a file; `OSError` where the disk is full.

    The blocks are taken at once where the system can: a write to a mapped file that
    finds no room would kill the process.
    """
    size = int(np.prod(shape)) * kind.itemsize
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
    return np.memmap(path, kind, "r+", shape=shape)


def clear_leftovers(items: Sequence[Item], settings: BatchSettings) -> None:
    """Remove what a batch that was killed has left, without what it can go on from."""
    output = Path(settings.output)
    places = (ScratchPlace(item, settings, "") for item in items)
    kept = {place.path(word).name for place in places for word in _KEPT}
    for path in output.glob(".*.part"):
        if path.name not in kept or not settings.resume:
            path.unlink(missing_ok=True)
    clear_unfinished(results_of(items))


def results_of(items: Sequence[Item]) -> list[Path]:
    """Return where labels and uncertainty go."""
    return [path for item in items for path in (item.prediction, item.uncertainty)]
