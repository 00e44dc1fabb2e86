"""Files that are there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparseseg.errors import UserError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a new file beside `path`, and put it in its place at the end.

    Where the block raises, `path` is as it was and the new file is gone. Folders that
    are missing are made. Raises `UserError` where the system refuses to write.
    """
    target = Path(path)
    # The ending stays last, because libraries choose the format by it.
    beside = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            if beside.is_dir() and target.is_dir():
                shutil.rmtree(target)
            beside.replace(target)
        finally:
            _remove(beside)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder if it is missing; `UserError` where it could not be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {folder} ({error.strerror}): choose another one"
        ) from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} is read-only: choose another one")
