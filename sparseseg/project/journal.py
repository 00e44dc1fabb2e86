"""The journal of a project: every change of every annotation, in one SQLite file.

Entries are only ever added. Each has a number, which orders them: clocks may jump. What
a person undoes is an entry as well, so that undo and redo go on after a restart.

A *step* is what one undo takes back. A long stroke is written while it is painted, in
several entries of one step. Step 0 is what an annotation began with.
"""

import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from sparseseg.boxes import Triple
from sparseseg.errors import Note, UserError
from sparseseg.project import ways
from sparseseg.project.deltas import Delta, Labels
from sparseseg.project.entries import (
    PLANE,
    PLANE_WITH_STATE,
    START,
    Action,
    Change,
    JournalEntry,
    State,
    Tool,
    Turn,
    delta_of,
    row_of,
)
from sparseseg.project.rescue import rescued
from sparseseg.project.schema import check_schema, create
from sparseseg.project.snapshots import packed_array, unpacked_array
from sparseseg.project.steps import Steps

_ENTRIES_A_SNAPSHOT = 500


class Journal:
    """Read and append the changes of the annotations of a project.

    May be called from several threads. Raises `UserError` where the file cannot be read,
    and where it cannot be written: what was to be appended is then not in it.
    """

    def __init__(
        self, path: Path, *, author: str = "", read_only: bool = False
    ) -> None:
        self.path = path
        self._author = author
        self._lock = threading.RLock()
        try:
            self._open(read_only=read_only)
        except ways.DamagedError:
            self._connection, words = rescued(path, read_only=read_only)
            self.mode = "rescued"
            warnings.warn(words, Note, stacklevel=2)
            self._remember()

    @classmethod
    def in_memory(cls) -> Self:
        """Return a journal without a file, that ends with its process."""
        return cls(Path(ways.MEMORY))

    def new_step(self) -> int:
        """Return the number of a step that has no entry yet."""
        with self._lock:
            return self._steps.new()

    def append(
        self,
        volume: str,
        deltas: Sequence[tuple[Delta, State]],
        *,
        step: int,
        tool: Tool,
    ) -> None:
        """Write one change of a volume's annotation, with the state of each slice."""
        with self._lock:
            with self._writing():
                planes = len(deltas)
                entry = self._add_entry(volume, step, "change", tool, planes=planes)
                self._connection.executemany(
                    "INSERT INTO change VALUES (?,?,?,?,?,?,?,?,?,?)",
                    [
                        (entry, *row_of(delta), state, delta.pack())
                        for delta, state in deltas
                    ],
                )
            self._steps.follow(step, "change")

    def next_turn(self, action: Turn) -> Change | None:
        """Return what an undo or a redo would do now; None if there is no such step."""
        with self._reading():
            steps = self._steps
            step = steps.to_undo if action == "undo" else steps.to_redo
            return None if step is None else self._change(step, action)

    def undo(self) -> Change | None:
        """Write that the newest step is taken back; return how, or None."""
        return self._turn("undo")

    def redo(self) -> Change | None:
        """Write that the step undone last is made again; return how, or None."""
        return self._turn("redo")

    def add_volume(self, name: str, shape: Triple) -> None:
        """Begin the annotation of a volume, with all voxels unlabelled."""
        with self._lock, self._writing():
            self._connection.execute(
                "INSERT INTO volume VALUES (?,?,?,?)", (name, *shape)
            )

    def take_over(self, draft: "Journal", names: Mapping[str, str]) -> None:
        """Add all entries of volumes of another journal, with their steps and times.

        `names` has the names of the volumes there, and here, where they have no entry
        yet. What could be undone and redone there can be undone and redone here.
        """
        with draft._reading():
            entries = [e for e in draft.entries() if e.volume in names]
            rows = {e.number: draft._change_rows(e.number) for e in entries}
        with self._lock:
            offset = self._steps.newest
            steps = [START if e.step == START else e.step + offset for e in entries]
            with self._writing():
                for entry, step in zip(entries, steps, strict=True):
                    self._copy(entry, names[entry.volume], step, rows[entry.number])
            for entry, step in zip(entries, steps, strict=True):
                self._steps.follow(step, entry.action)

    def volumes(self) -> list[str]:
        """Return the names of the volumes."""
        with self._reading():
            return [
                name for (name,) in self._connection.execute("SELECT name FROM volume")
            ]

    def shape(self, volume: str) -> Triple:
        """Return the shape of a volume's annotation, z, y, x."""
        with self._reading():
            row = self._connection.execute(
                "SELECT z, y, x FROM volume WHERE name = ?", (volume,)
            ).fetchone()
        if row is None or not all(isinstance(n, int) and n > 0 for n in row):
            raise UserError(
                "the journal {path} has no volume {volume!r}: add it to the project",
                path=self.path,
                volume=volume,
            )
        z, y, x = row
        return z, y, x

    def entries(self, volume: str | None = None) -> list[JournalEntry]:
        """Return the entries of a volume, or all, in their order."""
        with self._reading():
            rows = self._connection.execute(
                "SELECT number, volume, step, action, tool, author, time FROM entry "
                "WHERE ?1 IS NULL OR volume = ?1 ORDER BY number",
                (volume,),
            )
            return [JournalEntry(*row) for row in rows]

    def changes(self) -> Iterator[tuple[JournalEntry, list[Delta]]]:
        """Yield all entries in their order, each with the planes that it changed."""
        shapes = {name: self.shape(name) for name in self.volumes()}
        for entry in self.entries():
            with self._reading():
                rows = self._connection.execute(
                    f"SELECT {PLANE} FROM change WHERE entry = ? ORDER BY rowid",
                    (entry.number,),
                ).fetchall()
            yield entry, [delta_of(row, shapes[entry.volume]) for row in rows]

    def annotation(self, volume: str) -> Labels:
        """Return a volume's annotation as it is: the newest snapshot and what followed."""
        shape = self.shape(volume)
        with self._reading():
            row = self._connection.execute(
                "SELECT number, voxels FROM snapshot WHERE volume = ?", (volume,)
            ).fetchone()
        if row is None:
            return self.replay(volume)
        number, voxels = row
        array = unpacked_array(voxels, shape)
        self._play(volume, array, after=number)
        return array

    def replay(self, volume: str) -> Labels:
        """Return a volume's annotation made again from its first entry on."""
        array = np.zeros(self.shape(volume), np.uint8)
        self._play(volume, array, after=0)
        return array

    def wants_snapshot(self, volume: str) -> bool:
        """Tell whether many entries came since the newest snapshot of a volume."""
        with self._reading():
            (count,) = self._connection.execute(
                "SELECT count(*) FROM entry WHERE volume = ?1 AND number > ifnull("
                "(SELECT number FROM snapshot WHERE volume = ?1), 0)",
                (volume,),
            ).fetchone()
        return bool(count >= _ENTRIES_A_SNAPSHOT)

    def add_snapshot(self, volume: str, array: Labels) -> None:
        """Keep a volume's annotation as it is after its newest entry.

        It replaces the snapshot before. Snapshots only save time, and the entries stay.
        """
        voxels = packed_array(array)
        with self._lock, self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO snapshot SELECT ?1, ifnull(max(number), 0), ?2 "
                "FROM entry WHERE volume = ?1",
                (volume, voxels),
            )

    def close(self) -> None:
        """Put all into one file and close it; calling it twice is fine."""
        with self._lock:
            ways.close(self._connection)

    def _open(self, *, read_only: bool) -> None:
        self._connection, self.mode = ways.connect(self.path, read_only=read_only)
        try:
            if not read_only:
                create(self._connection)
            check_schema(self._connection, self.path)
            self._remember()
            self._check_planes()
        except BaseException as error:
            self._connection.close()
            if not isinstance(error, sqlite3.Error):
                raise
            if ways.is_damaged(error):
                raise ways.DamagedError from error
            raise ways.complaint(self.path, error) from error

    def _remember(self) -> None:
        """Find out from the entries what can be undone and redone."""
        self._steps = Steps()
        for step, action in self._connection.execute(
            "SELECT step, action FROM entry ORDER BY number"
        ):
            self._steps.follow(step, action)

    def _check_planes(self) -> None:
        """Read every row once: a damage that is met later would come at a bad time."""
        self._connection.execute("SELECT sum(length(voxels)) FROM change").fetchone()
        self._connection.execute("SELECT sum(length(voxels)) FROM snapshot").fetchone()

    def _turn(self, action: Turn) -> Change | None:
        with self._lock:
            change = self.next_turn(action)
            if change is None:
                return None
            with self._writing():
                self._add_entry(change.volume, change.step, action, "", planes=0)
            self._steps.follow(change.step, action)
            return change

    def _change(self, step: int, action: Turn) -> Change:
        volume, tool = self._connection.execute(
            "SELECT volume, tool FROM entry WHERE step = ? ORDER BY number", (step,)
        ).fetchone()
        deltas = tuple(self._deltas_of(step, self.shape(volume), action))
        return Change(volume, step, tool, deltas)

    def _deltas_of(self, step: int, shape: Triple, action: str) -> list[Delta]:
        """Return what taking back a step, or making it again, changes, in order."""
        rows = self._connection.execute(
            f"SELECT {PLANE} FROM change JOIN entry ON entry = number "
            "WHERE step = ? AND action = 'change' ORDER BY number, change.rowid",
            (step,),
        ).fetchall()
        deltas = [delta_of(row, shape) for row in rows]
        if action == "redo":
            return deltas
        return [delta.reversed for delta in reversed(deltas)]

    def _play(self, volume: str, array: Labels, *, after: int) -> None:
        """Do to an annotation what its entries after one of them did."""
        shape = self.shape(volume)
        with self._reading():
            rows = self._connection.execute(
                f"SELECT action, step, {PLANE} FROM entry "
                "LEFT JOIN change ON entry = number WHERE volume = ? AND number > ? "
                "ORDER BY number, change.rowid",
                (volume, after),
            )
            for action, step, *plane in rows:
                if action != "change":
                    for delta in self._deltas_of(step, shape, action):
                        delta.apply(array)
                elif plane[0] is not None:
                    delta_of(plane, shape).apply(array)

    def _change_rows(self, number: int) -> list[tuple[Any, ...]]:
        return self._connection.execute(
            f"SELECT {PLANE_WITH_STATE} FROM change WHERE entry = ? ORDER BY rowid",
            (number,),
        ).fetchall()

    def _copy(
        self,
        entry: JournalEntry,
        volume: str,
        step: int,
        rows: Sequence[tuple[Any, ...]],
    ) -> None:
        number = self._add_entry(
            volume, step, entry.action, entry.tool, planes=len(rows), when=entry.time
        )
        self._connection.executemany(
            "INSERT INTO change VALUES (?,?,?,?,?,?,?,?,?,?)",
            [(number, *row) for row in rows],
        )

    def _add_entry(
        self,
        volume: str,
        step: int,
        action: Action,
        tool: str,
        *,
        planes: int,
        when: float | None = None,
    ) -> int:
        moment = time.time() if when is None else when
        row = (volume, step, action, tool, self._author, moment, planes)
        added = self._connection.execute(
            "INSERT INTO entry VALUES (NULL,?,?,?,?,?,?,?)", row
        )
        assert added.lastrowid is not None, "a row that was added has a number"
        return added.lastrowid

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise ways.complaint(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write all that the block does, or nothing of it."""
        with self._reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself, as it does on a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
