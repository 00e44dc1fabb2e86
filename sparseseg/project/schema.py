"""The tables of a journal, and whether a file has them and nothing else."""

import sqlite3
from pathlib import Path

from sparseseg.errors import UserError

VERSION = 1
_APPLICATION = 0x53504A4C  # of sparseseg's journals, as SQLite's file header says

TABLES = {
    "volume": ("name TEXT PRIMARY KEY", "z INTEGER", "y INTEGER", "x INTEGER"),
    "entry": (
        "number INTEGER PRIMARY KEY",
        "volume TEXT NOT NULL",
        "step INTEGER NOT NULL",
        "action TEXT NOT NULL",
        "tool TEXT NOT NULL",
        "author TEXT NOT NULL",
        "time REAL NOT NULL",
        "planes INTEGER NOT NULL",
    ),
    "change": (
        "entry INTEGER NOT NULL",
        "axis INTEGER NOT NULL",
        *(f"{name} INTEGER NOT NULL" for name in ("z0", "y0", "x0", "z1", "y1", "x1")),
        "state TEXT NOT NULL",
        "voxels BLOB NOT NULL",
    ),
    "snapshot": (
        "volume TEXT PRIMARY KEY",
        "number INTEGER NOT NULL",
        "voxels BLOB NOT NULL",
    ),
}
_INDICES = {"change_of_entry": "change (entry)", "entry_of_step": "entry (step)"}


def create(connection: sqlite3.Connection) -> bool:
    """Make the tables in an empty file; return whether it was empty."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return False
    connection.execute("BEGIN IMMEDIATE")
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    for name, place in _INDICES.items():
        connection.execute(f"CREATE INDEX {name} ON {place}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    return True


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `UserError` for a file that is no journal, or of a newer sparseseg."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise UserError(
            "{path} is not a journal of sparseseg: take the folder of a project",
            path=path,
        )
    if version != VERSION:
        raise UserError(
            "{path} has version {version}, and this sparseseg reads version {known}: "
            "update sparseseg",
            path=path,
            version=version,
            known=VERSION,
        )
    objects = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    tables = {name for kind, name in objects if kind == "table"}
    has_code = any(kind in ("view", "trigger") for kind, _ in objects)
    if has_code or tables - {"sqlite_stat1"} != set(TABLES) or not _fits(connection):
        raise UserError(
            "the tables of {path} are not those of a journal: restore it from a copy",
            path=path,
        )


def _fits(connection: sqlite3.Connection) -> bool:
    for name, columns in TABLES.items():
        rows = connection.execute(f"PRAGMA table_info({name})")
        if [row[1] for row in rows] != [column.split()[0] for column in columns]:
            return False
    return True
