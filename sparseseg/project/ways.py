"""The ways to open a SQLite file, the safest that its file system can do first.

With a write-ahead log readers and the writer do not wait for each other. It needs memory
that processes share, which network file systems lack. Some of these cannot even lock a
file; there the lock of the project keeps other writers out.
"""

import shutil
import sqlite3
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sparseseg.errors import Note, UserError
from sparseseg.language import say

_PATIENCE = 10.0  # seconds
_DAMAGED = ("malformed", "not a database", "disk image")
_FINAL = ("readonly", "read-only", "disk is full", "database is locked")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to open a file: a mode of SQLite's journal, and words for its address."""

    mode: str
    address: str = ""


class DamagedError(Exception):
    """The file cannot be read as a whole."""


MEMORY = ":memory:"
"""SQLite's name for a file that is none."""
WRITING = (Way("wal"), Way("truncate"), Way("truncate", "nolock=1"))
READING = (Way("wal", "mode=ro"), Way("wal", "mode=ro&immutable=1"))


def connect(path: Path, *, read_only: bool) -> tuple[sqlite3.Connection, str]:
    """Open a file in the best way that works; return the connection and its mode.

    A `Note` says so if it is not the first. Raises `UserError` if no way works, and
    `DamagedError` for a file that has to be rescued.
    """
    if str(path) == MEMORY:
        return sqlite3.connect(
            MEMORY, isolation_level=None, check_same_thread=False
        ), "memory"
    first: sqlite3.Error | None = None
    for way in READING if read_only else WRITING:
        try:
            connection = _opened(path, way)
        except sqlite3.Error as error:
            if is_damaged(error):
                raise DamagedError from error
            first = first or error
            if any(word in str(error) for word in _FINAL):
                break
            continue
        if first is not None and not read_only:
            warnings.warn(_other_way(path, way), Note, stacklevel=5)
        return connection, way.mode
    assert first is not None, "there is a way to try"
    raise complaint(path, first) from first


def close(connection: sqlite3.Connection) -> None:
    """Put all into one file, so that it can be copied, and close it."""
    with suppress(sqlite3.Error):  # read-only, or another process reads it
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def is_damaged(error: sqlite3.Error) -> bool:
    """Tell whether an error says that the file is damaged."""
    return any(word in str(error) for word in _DAMAGED)


def complaint(path: Path, error: sqlite3.Error) -> UserError:
    """Return in one sentence what is wrong with a file, and what to do."""
    words = str(error)
    if "full" in words or ("I/O" in words and _is_full(path.parent)):
        hint = say("no space is left on its disk; make room and go on")
    elif "readonly" in words or "read-only" in words or "unable to open" in words:
        hint = say("the folder is missing or read-only; choose another one")
    elif "locked" in words:
        hint = say("another program has it open; close that one")
    else:
        hint = say("{error}; restore it from a copy", error=words)
    return UserError("cannot use the journal {path}: {hint}", path=path, hint=hint)


def _is_full(folder: Path) -> bool:
    """Tell whether a disk has no room for a page: SQLite then speaks of an error of I/O."""
    return folder.exists() and shutil.disk_usage(folder).free < _PAGE


_PAGE = 4096


def _opened(path: Path, way: Way) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{way.address}"
    connection = sqlite3.connect(
        address,
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        # A stroke is small: with small pages it costs little, and a damage takes little.
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("PRAGMA synchronous = FULL")
        if "mode=ro" in way.address:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        else:
            _try_writing(connection, way.mode)
    except BaseException as error:
        connection.close()
        raise error
    return connection


def _try_writing(connection: sqlite3.Connection, mode: str) -> None:
    (found,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    if found != mode:
        raise sqlite3.OperationalError(f"the file system cannot do {mode}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")


def _other_way(path: Path, way: Way) -> str:
    unlocked = (
        say(" without locks of the file system") if "nolock" in way.address else ""
    )
    return say(
        "the file system of {parent} cannot do a write-ahead log, so the journal is "
        "kept in the mode {mode!r}{unlocked}: as safe, but slower",
        parent=path.parent,
        mode=way.mode,
        unlocked=unlocked,
    )
