"""Copies of the annotation on disk, for the day the window dies."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from sparseseg.classes import ClassTable
from sparseseg.data.files import read, read_labels, write_labels
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import once
from sparseseg.errors import UserError
from sparseseg.session import SNAPSHOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume

_KEPT = 3


@dataclass(frozen=True, slots=True)
class Recovered:
    """An annotation that an earlier session left."""

    path: Path
    when: datetime

    def __str__(self) -> str:
        today = self.when.date() == datetime.now().date()
        return f"{self.when:%H:%M}" if today else f"{self.when:%d %B, %H:%M}"

    @property
    def table(self) -> ClassTable:
        """The names and colours of its classes, as far as they were kept."""
        with suppress(UserError, OSError):
            return read(self.path).classes
        return ClassTable()

    def read(self, volume: "Volume") -> "NDArray[np.uint8]":
        """Return the annotation; raises `UserError` when it does not fit the volume."""
        return read_labels(self.path, like=volume)


def folder() -> Path:
    """Return where copies are kept: below SPARSESEG_HOME, or the user's home."""
    home = os.environ.get("SPARSESEG_HOME")
    return (Path(home) if home else Path.home() / ".sparseseg") / "recovery"


def content_of(array: Any) -> str:
    """Return a checksum of an image (z, y, x, or c first): its shape and a few planes."""
    return once(array, "content", lambda: _content_of(array))


def _content_of(array: Any) -> str:
    shape = (1,) * (4 - array.ndim) + tuple(array.shape)
    everywhere = (slice(None),)
    digest = hashlib.sha256(str(shape).encode())
    depth = shape[1]
    for z in sorted({0, depth // 4, depth // 2, 3 * depth // 4, depth - 1}):
        place = everywhere * (array.ndim - 3) + (slice(z, z + 1),) + everywhere * 2
        plane = np.asarray(array[place])  # not all arrays know how to add an axis
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()[:12]


def find(content: str) -> Recovered | None:
    """Return the newest copy for an image of this content, whatever its name is."""
    copies = _copies(content)
    if not copies:
        return None
    return Recovered(copies[-1], datetime.fromtimestamp(copies[-1].stat().st_mtime))


class Autosave:
    """Write one annotation to a file of its own whenever it has changed.

    `labels` say what has changed since they were looked at last. All of it is done in a
    thread, so that the window waits neither for the look nor for the disk.
    """

    def __init__(
        self,
        labels: SparseLabels,
        volume: "Volume",
        table: Callable[[], ClassTable],
    ) -> None:
        self._table = table
        self._labels = labels
        self._volume = volume
        self._began = datetime.now()
        self._writer = ThreadPoolExecutor(1, "sparseseg-autosave")
        self._pending: Future[None] | None = None
        self._is_ending = False

    @cached_property
    def path(self) -> Path:
        """Where the copy is; the image is looked at for that, which may be on disk."""
        stem = f"{_plain(self._volume.name)}-{self._content}"
        return folder() / f"{stem}.{self._began:%Y%m%d-%H%M%S-%f}.tif"

    @cached_property
    def _content(self) -> str:
        return content_of(self._volume.array)

    def save(self) -> None:
        """Start to write if the annotation changed and the last write is done.

        Raises what the last write raised; what it missed is written next time.
        """
        if self._pending is not None:
            if not self._pending.done():
                return
            last, self._pending = self._pending, None
            last.result()
        self._pending = self._writer.submit(self._write_changes)

    def wait(self) -> None:
        """Wait for the write that is under way, and for the thread if that ends."""
        if self._pending is not None:
            wait([self._pending])
        if self._is_ending:
            self._writer.shutdown(wait=True)

    def close(self) -> None:
        """Begin to write what is left, and end the thread then."""
        self._end(self._write_changes)

    def drop(self) -> None:
        """Begin to remove the copy: something else keeps the annotation."""
        self._end(lambda: self.path.unlink(missing_ok=True))

    def _end(self, last: Callable[[], None]) -> None:
        self._is_ending = True
        try:
            self._pending = self._writer.submit(last)
        except RuntimeError:  # the interpreter ends, and has ended its threads
            last()
        self._writer.shutdown(wait=False)

    def _write_changes(self) -> None:
        if not self._labels.changed():
            return
        try:
            self._write(self._labels.array.copy())
        except OSError:
            self._labels.forget()
            raise

    def _write(self, labels: "NDArray[np.uint8]") -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(self.path, labels, self._volume, table=self._table())
        for old in _copies(self._content)[:-_KEPT]:
            old.unlink(missing_ok=True)


class ModelFolder:
    """A folder in which a session keeps its model, and finds those of earlier ones.

    A model that was not saved stays there when its session has gone, also by force.
    """

    def __init__(self) -> None:
        self.path = (
            folder() / "models" / f"{os.getpid()}-{datetime.now():%Y%m%d-%H%M%S-%f}"
        )
        self.path.mkdir(parents=True)
        _IN_USE.add(self.path)

    def close(self) -> None:
        """Let a model that is left there be found; to be called after the session."""
        _IN_USE.discard(self.path)

    def left(self) -> Recovered | None:
        """Return the newest model that an earlier session left; remove old ones."""
        found = sorted(
            (path for path in self.path.parent.glob(f"*/{SNAPSHOT}") if _is_left(path)),
            key=lambda path: path.stat().st_mtime,
        )
        for old in found[:-_KEPT]:
            shutil.rmtree(old.parent, ignore_errors=True)
        if not found:
            return None
        return Recovered(found[-1], datetime.fromtimestamp(found[-1].stat().st_mtime))


def _is_left(path: Path) -> bool:
    """Tell whether the process that wrote a model has gone, or its session has."""
    if path.parent in _IN_USE:
        return False
    process = path.parent.name.partition("-")[0]
    is_ours = process == str(os.getpid())
    return is_ours or not (process.isdigit() and psutil.pid_exists(int(process)))


_IN_USE: set[Path] = set()
"""The folders of the sessions of this process that are open."""


def _plain(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name)[:60] or "image"


def _copies(content: str) -> list[Path]:
    return sorted(folder().glob(f"*-{content}.*.tif"), key=lambda path: path.stem[-22:])
