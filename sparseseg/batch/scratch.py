"""The arrays of a prediction, within a stated memory: large ones lie in files."""

import glob
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.batch.items import Item
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.on_disk import let_go
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.segment import VOLUME_SHARE
from sparseseg.errors import UserError


@contextmanager
def arrays_for(
    volume: Volume, settings: BatchSettings, *, need: bool, model: Model
) -> Iterator[Output]:
    """Give the arrays of a prediction; large ones lie in a file that goes afterwards."""
    voxels = int(np.prod(volume.shape))
    in_memory = voxels <= settings.bytes * VOLUME_SHARE
    if need and voxels * 4 * len(model.plan.outputs) > settings.bytes:
        raise UserError(
            f"{volume.name} has {voxels} voxels, and a rule about probabilities "
            "needs all of them in memory: give more memory, or leave the rule out"
        )
    scratch: list[Path] = []

    def made(word: str) -> NDArray[np.uint8]:
        if in_memory:
            return np.zeros(volume.shape, np.uint8)
        path = Path(settings.output) / f".{volume.name}.{word}.part"
        scratch.append(path)
        return _in_file(path, np.dtype(np.uint8), volume.shape)

    try:
        yield Output(
            made("labels"),
            made("uncertainty") if settings.uncertainty else None,
            np.zeros((len(model.plan.outputs), *volume.shape), np.float32)
            if need
            else None,
        )
    finally:
        for path in scratch:
            path.unlink(missing_ok=True)


@contextmanager
def shares_of(
    uncertainty: NDArray[np.uint8], settings: BatchSettings, name: str
) -> Iterator[NDArray[np.float32]]:
    """Give 0..255 as 0..1; of an array that lies in a file, in another file."""
    if not isinstance(uncertainty, np.memmap):
        yield uncertainty.astype(np.float32) / np.float32(255)
        return
    path = Path(settings.output) / f".{name}.shares.part"
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


def clear_leftovers(items: Iterable[Item], settings: BatchSettings) -> None:
    """Remove what a batch that was killed has left beside its predictions."""
    output = Path(settings.output)
    for path in output.glob(".*.part"):
        path.unlink(missing_ok=True)
    for item in items:
        for path in output.glob(f".*.{glob.escape(item.prediction.name)}"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
