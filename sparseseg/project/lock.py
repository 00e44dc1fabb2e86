"""Who has a project open: one process at a time may write to it."""

import getpass
import json
import os
import socket
import time
import warnings
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sparseseg.errors import Note, UserError
from sparseseg.language import say

NAME = "lock.json"
_CLOCKS_DIFFER = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a project open."""

    host: str
    pid: int
    user: str
    time: float
    """When it opened the project, in seconds since 1970."""
    started: float
    """When the process started: a number of a process is used again."""

    @classmethod
    def this_process(cls) -> "Holder":
        """Return what says who we are."""
        pid = os.getpid()
        started = psutil.Process(pid).create_time()
        return cls(socket.gethostname(), pid, user_name(), time.time(), started)

    @property
    def is_gone(self) -> bool:
        """Whether the process ran on this machine and has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            started = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
        return bool(abs(started - self.started) > _CLOCKS_DIFFER)

    def __str__(self) -> str:
        since = time.strftime("%d %B %Y, %H:%M", time.localtime(self.time))
        return say(
            "{user} on {host} (process {pid}, since {since})",
            user=self.user,
            host=self.host,
            pid=self.pid,
            since=since,
        )


class FolderLock:
    """The lock of a project's folder, until `release` or the end of the process.

    Raises `UserError` with the holder while another process has the folder. A lock that a
    process of this machine left when it ended is taken over, and a `Note` says so.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        holder = Holder.this_process()
        self._take(holder)
        self._release = weakref.finalize(self, _remove, self._path, holder)

    def release(self) -> None:
        """Let others open the folder; calling it twice is fine."""
        self._release()

    def _take(self, ours: Holder) -> None:
        if _created(self._path, ours):
            return
        holder = _read(self._path)
        if holder is not None and not holder.is_gone:
            raise UserError(
                "the project {parent} is open: {holder}; close it there, or "
                "delete {path} if that is not true any more",
                parent=self._path.parent,
                holder=holder,
                path=self._path,
            )
        was = say("a process that has ended") if holder is None else str(holder)
        warnings.warn(
            Note(
                "the project was left open by {was}: the lock was taken over", was=was
            ),
            stacklevel=4,
        )
        self._path.unlink(missing_ok=True)
        if not _created(self._path, ours):
            raise UserError(
                "another process opened the project {parent} at the same "
                "moment: close it there",
                parent=self._path.parent,
            )


def user_name() -> str:
    """Return the name of the user of this process, or ""."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container need not know its user
        return ""


def _created(path: Path, holder: Holder) -> bool:
    """Make the file with its content at once; return whether it was not there."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        beside.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            with path.open("x", encoding="utf-8") as file:
                file.write(beside.read_text(encoding="utf-8"))
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(
            "cannot write to the project {parent} ({strerror}): choose a "
            "folder that can be written to, and a disk with room",
            parent=path.parent,
            strerror=error.strerror,
        ) from error
    return True


def _read(path: Path) -> Holder | None:
    """Return the holder; None where the file says none, as after a full disk."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Holder(
            host=str(found["host"]),
            pid=int(found["pid"]),
            user=str(found["user"]),
            time=float(found["time"]),
            started=float(found["started"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(path: Path, holder: Holder) -> None:
    """Remove a lock, unless another process has taken over after it was deleted."""
    # A forked process does not hold it.
    if holder.pid == os.getpid() and _read(path) == holder:
        path.unlink(missing_ok=True)
