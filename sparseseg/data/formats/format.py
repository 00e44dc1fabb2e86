"""What a file format has to offer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sparseseg.data.optional import library
from sparseseg.data.volume import Volume

HEAD_BYTES = 348
"""How much of a file, unpacked, is shown to tell its format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How volumes of one format are told, read and written.

    Its functions may fail in any way on a broken file: the caller makes one sentence of
    it. Only what `UserError` says is shown as it is.
    """

    name: str
    endings: tuple[str, ...]
    """Of the names of its files, with the dot and in small letters."""
    matches: Callable[[Path, bytes], bool]
    """Tells a file or folder by its first bytes; a folder has none."""
    read: Callable[[Path], Volume]
    """Reads a whole volume; its voxels may stay on disk."""
    write: Callable[[Path, NDArray[Any], Volume], None]
    """Writes a c, z, y, x array placed like a volume, with its classes."""
    read_part: Callable[[Path, str], Volume] | None = None
    """Reads the part of a file or folder that its name asks for, such as a series."""
    open_on_disk: Callable[[Path], Volume] | None = None
    """Reads a volume whose voxels stay on disk, where `read` does not do so."""
    open_part_on_disk: Callable[[Path, str], Volume] | None = None
    """Reads a part whose voxels stay on disk, where `read_part` does not do so."""
    labels_only: bool = False
    """Whether it holds labels of an image, and never an image."""
    check: Callable[[Volume], None] | None = None
    """Raises `UserError` where labels placed like a volume could not be written."""
    needs: tuple[str, str] | None = None
    """The module of an optional library, and the package that it comes in."""

    def check_library(self) -> None:
        """Raise `UserError` if its library is missing."""
        if self.needs is not None:
            module, package = self.needs
            library(module, self.name, package)
