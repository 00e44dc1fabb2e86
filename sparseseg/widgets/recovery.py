"""Copies of the annotation on disk, for the day the window dies."""

import hashlib
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.data.files import read_labels, write_labels
from sparseseg.data.labels import SparseLabels

if TYPE_CHECKING:
    import numpy as np
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

    def read(self, volume: "Volume") -> "NDArray[np.uint8]":
        """Return the annotation; raises `UserError` when it does not fit the volume."""
        return read_labels(self.path, like=volume)


def folder() -> Path:
    """Return where copies are kept: below SPARSESEG_HOME, or the user's home."""
    home = os.environ.get("SPARSESEG_HOME")
    return (Path(home) if home else Path.home() / ".sparseseg") / "recovery"


def find(name: str, shape: tuple[int, ...]) -> Recovered | None:
    """Return the newest copy for an image of this name and shape (z, y, x)."""
    copies = _copies(_stem(name, shape))
    if not copies:
        return None
    return Recovered(copies[-1], datetime.fromtimestamp(copies[-1].stat().st_mtime))


class Autosave:
    """Write one annotation to a file of its own whenever it has changed.

    The file is written in a thread, so that the window does not wait for the disk.
    """

    def __init__(self, annotation: "NDArray[np.uint8]", volume: "Volume") -> None:
        self._labels = SparseLabels(annotation)
        self._labels.changed()  # what is there at first was not painted here
        self._volume = volume
        self._stem = _stem(volume.name, volume.shape)
        self.path = folder() / f"{self._stem}.{datetime.now():%Y%m%d-%H%M%S-%f}.tif"
        self._writer = ThreadPoolExecutor(1, "sparseseg-autosave")
        self._pending: Future[None] | None = None

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
        """Wait for the write that is under way."""
        if self._pending is not None:
            wait([self._pending])

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._writer.shutdown(wait=True)
        self._write_changes()

    def _write_changes(self) -> None:
        if not self._labels.changed():
            return
        try:
            self._write(self._labels.array.copy())
        except OSError:
            self._labels = SparseLabels(self._labels.array)  # all of it counts as new
            raise

    def _write(self, labels: "NDArray[np.uint8]") -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(self.path, labels, self._volume)
        for old in _copies(self._stem)[:-_KEPT]:
            old.unlink(missing_ok=True)


def _stem(name: str, shape: tuple[int, ...]) -> str:
    plain = re.sub(r"[^\w-]+", "_", name)[:60] or "image"
    digest = hashlib.sha256(f"{name} {shape}".encode()).hexdigest()[:8]
    return f"{plain}-{digest}"


def _copies(stem: str) -> list[Path]:
    return sorted(folder().glob(f"{stem}.*.tif"))
