"""Files that are there whole or not at all."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sparseseg.errors import UserError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a new file beside `path`, and put it in its place at the end.

    Where the block raises, `path` is as it was and the new file is gone. Folders that
    are missing are made. Others may read the file as the system's mask allows, or as
    they could read the one before. Raises `UserError` where the system refuses to write.
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
            if beside.is_file():
                beside.chmod(_mode_for(target))
                _reach_disk(beside)
            beside.replace(target)
        finally:
            remove(beside)
    except Exception as error:
        # Libraries that write by themselves wrap what the system said in their own way.
        if is_disk_full(error):
            raise UserError(
                "cannot write {target}: no space is left on its disk; make room, or "
                "choose another folder",
                target=target,
            ) from error
        reason = _reason(error)
        if reason is None:
            raise
        raise UserError(
            "cannot write {target}: {strerror}", target=target, strerror=reason
        ) from error


def _reason(error: Exception) -> str | None:
    """Return why the system did not write; None where it was not the system."""
    too_large = os.strerror(errno.EFBIG)
    if too_large.lower() in str(error).lower():
        return too_large
    if isinstance(error, OSError):
        return error.strerror or str(error).splitlines()[0]
    return None


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or one behind it, says that no space is left on a disk."""
    chain = [error, error.__cause__, error.__context__]
    return any(
        (isinstance(link, OSError) and link.errno in _FULL)
        or any(words in str(link).lower() for words in _FULL_WORDS)
        for link in chain
    )


_FULL = (errno.ENOSPC, errno.EDQUOT)
# The second is how NumPy says that less was written than it asked for.
_FULL_WORDS = (os.strerror(errno.ENOSPC).lower(), " requested and ")


def _mode_for(target: Path) -> int:
    """Return who may read and write a file: as before, or as a new one of the system.

    Some libraries make files that their owner alone may read.
    """
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    probe = target.with_name(f".{os.getpid()}.{target.name}.mode")
    try:
        probe.touch()
        return stat.S_IMODE(probe.stat().st_mode)
    finally:
        probe.unlink(missing_ok=True)


def _reach_disk(path: Path) -> None:
    """Wait until a file is on its disk: else a loss of power may leave an empty one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def is_unfinished(path: Path) -> bool:
    """Tell whether a file is what a process that was killed had begun to write."""
    return _BEGUN.match(path.name) is not None


_BEGUN = re.compile(r"\.\d+\.")


def clear_unfinished(targets: Collection[Path]) -> None:
    """Remove what processes that were killed had begun to write of these files."""
    names = {target.name for target in targets}
    for folder in {target.parent for target in targets}:
        for path in folder.glob(".*"):
            if is_unfinished(path) and _BEGUN.sub("", path.name, count=1) in names:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; it may be missing."""
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
            "cannot make the folder {folder} ({strerror}): choose another one",
            folder=folder,
            strerror=error.strerror,
        ) from error
    if not os.access(folder, os.W_OK):
        raise UserError(
            "the folder {folder} is read-only: choose another one", folder=folder
        )
