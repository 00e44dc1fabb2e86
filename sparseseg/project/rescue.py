"""What can be read of a damaged journal: all entries before the damage."""

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.project.schema import TABLES, create

_PIECE = 2**20


def rescued(path: Path, *, read_only: bool) -> tuple[sqlite3.Connection, str]:
    """Return a whole journal with the entries before the damage, and a sentence on it.

    The damaged file is kept beside the new one; where nothing may be written, the new one
    is in memory only.
    """
    whole = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    create(whole)
    damaged = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    for table in TABLES:
        _copy(damaged, whole, table)
    damaged.close()
    _drop_incomplete(whole)
    (entries,) = whole.execute("SELECT count(*) FROM entry").fetchone()
    words = say(
        "the journal {path} is damaged: its first {entries} entries were saved",
        path=path,
        entries=entries,
    )
    if read_only:
        return whole, say("{words}, and nothing was changed", words=words)
    kept = _put_aside(path)
    return _written(whole, path), say(
        "{words}, and the damaged file is kept as {name}", words=words, name=kept.name
    )


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    """Copy the rows of a table until one cannot be read."""
    marks = ",".join("?" * len(TABLES[table]))
    target.execute("BEGIN")
    for row in _readable(source, table):
        target.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    target.execute("COMMIT")


def _readable(source: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    try:
        # A file that is shorter than its header says is only read so.
        source.execute("PRAGMA writable_schema = ON")
        for row in source.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            if not all(map(_is_whole, row)):
                return
            yield row
    except sqlite3.DatabaseError:
        return


def _is_whole(value: object) -> bool:
    """Tell whether a value was read whole: what is missing of a page is read as zeros."""
    if not isinstance(value, bytes):
        return value is not None
    reader, left = zlib.decompressobj(), value
    try:
        while not reader.eof and left:
            reader.decompress(left, _PIECE)
            left = reader.unconsumed_tail
    except zlib.error:
        return False
    return reader.eof


def _drop_incomplete(journal: sqlite3.Connection) -> None:
    """Leave out the first entry that lacks a plane, and all after it."""
    (broken,) = journal.execute(
        "SELECT min(number) FROM entry WHERE planes != "
        "(SELECT count(*) FROM change WHERE change.entry = number)"
    ).fetchone()
    (last,) = journal.execute(
        "SELECT ifnull(max(number), 0) FROM entry WHERE ?1 IS NULL OR number < ?1",
        (broken,),
    ).fetchone()
    for table, column in (
        ("entry", "number"),
        ("change", "entry"),
        ("snapshot", "number"),
    ):
        journal.execute(f"DELETE FROM {table} WHERE {column} > ?", (last,))


def _put_aside(path: Path) -> Path:
    number = 1
    while (
        kept := path.with_name(f"{path.stem}-damaged-{number}{path.suffix}")
    ).exists():
        number += 1
    try:
        path.replace(kept)
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            "the journal {path} is damaged and cannot be replaced ({strerror}): "
            "copy the project to a folder that can be written to",
            path=path,
            strerror=error.strerror,
        ) from error
    return kept


def _written(whole: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    target = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    whole.backup(target)
    whole.close()
    return target
