"""What is painted comes back, whatever happened to the process, the disk or the file."""

import shutil
import sqlite3
import warnings
from pathlib import Path

import numpy as np
import pytest

from sparseseg.errors import Note, UserError
from sparseseg.project import ways
from sparseseg.project.entries import START
from sparseseg.project.journal import Journal
from sparseseg.project.recorder import Recorder

SHAPE = (6, 20, 24)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path):
    journal = Journal(path)
    journal.add_volume("cells", SHAPE)
    yield journal
    journal.close()


@pytest.fixture
def recorder(journal: Journal) -> Recorder:
    return Recorder(journal, "cells", np.zeros(SHAPE, np.uint8))


def paint(recorder: Recorder, strokes: int, *, seed: int = 0) -> list[np.ndarray]:
    """Paint strokes that overlap; return the annotation after each, and before all."""
    random = np.random.default_rng(seed)
    stages = [recorder.array.copy()]
    for number in range(strokes):
        z, y, x = (int(random.integers(0, side - 2)) for side in SHAPE)
        recorder.array[z, y : y + 5, x : x + 5] = number % 250 + 1
        recorder.record("brush")
        stages.append(recorder.array.copy())
    return stages


def test_an_annotation_comes_back_after_a_restart(journal, recorder, path):
    paint(recorder, 20)
    journal.close()
    again = Journal(path)
    assert (again.annotation("cells") == recorder.array).all()
    assert (again.replay("cells") == recorder.array).all()
    again.close()


def test_two_hundred_steps_are_undone_across_a_restart(journal, recorder, path):
    stages = paint(recorder, 200)
    for stage in stages[-2:99:-1]:
        recorder.take(journal.undo())
        assert (recorder.array == stage).all()
    journal.close()

    again = Journal(path)
    later = Recorder(again, "cells", again.annotation("cells"))
    for stage in stages[99::-1]:
        later.take(again.undo())
        assert (later.array == stage).all()
    assert again.undo() is None
    for stage in stages[1:]:
        later.take(again.redo())
        assert (later.array == stage).all()
    assert again.redo() is None
    assert (again.replay("cells") == later.array).all()
    again.close()


def test_undo_brings_back_what_another_class_lost(journal, recorder):
    recorder.array[2, 3:9, 3:9] = 1
    recorder.record("brush")
    recorder.array[2, 5:12, 5:12] = 2
    recorder.record("brush")
    recorder.take(journal.undo())
    assert (recorder.array[2, 3:9, 3:9] == 1).all()


def test_a_new_stroke_ends_what_could_be_redone(journal, recorder):
    paint(recorder, 3)
    recorder.take(journal.undo())
    recorder.array[0, 0, 0] = 9
    recorder.record("brush")
    assert journal.redo() is None
    assert journal.undo() is not None


def test_the_entries_of_one_long_stroke_are_one_step(journal, recorder):
    step = journal.new_step()
    for place in range(3):
        recorder.array[1, 2, place] = 1
        recorder.record("brush", step=step)
    recorder.take(journal.undo())
    assert not recorder.array.any()
    assert journal.undo() is None


def test_undo_goes_over_volumes_in_the_order_of_work(journal, recorder):
    journal.add_volume("bones", (2, 3, 4))
    other = Recorder(journal, "bones", np.zeros((2, 3, 4), np.uint8))
    recorder.array[0, 0, 0] = 1
    recorder.record("brush")
    other.array[1, 1, 1] = 2
    other.record("brush")
    assert [journal.undo().volume, journal.undo().volume] == ["bones", "cells"]


def test_a_draft_is_taken_over_with_what_it_could_undo_and_redo(journal, recorder):
    draft = Journal.in_memory()
    draft.add_volume("plain", SHAPE)
    draft.add_volume("gone", SHAPE)
    began = np.zeros(SHAPE, np.uint8)
    began[0] = 9
    Recorder(draft, "plain", began).record("import", step=START)
    mine = Recorder(draft, "plain", began)
    stages = paint(mine, 3)
    paint(Recorder(draft, "gone", np.zeros(SHAPE, np.uint8)), 1)
    draft.undo()
    mine.take(draft.undo())

    journal.take_over(draft, {"plain": "cells"})
    assert (journal.replay("cells") == stages[2]).all()
    assert [e.time for e in journal.entries()] == [
        e.time for e in draft.entries("plain")
    ]
    later = Recorder(journal, "cells", journal.annotation("cells"))
    later.take(journal.redo())
    assert (later.array == stages[3]).all()
    for stage in stages[2::-1]:
        later.take(journal.undo())
        assert (later.array == stage).all()
    assert journal.undo() is None
    draft.close()


def test_what_an_annotation_began_with_is_not_undone(journal, recorder):
    recorder.array[3] = 255
    recorder.record("import", step=START)
    assert journal.undo() is None


def test_entries_say_who_did_what_and_how_the_slice_was(path):
    journal = Journal(path, author="Ada")
    journal.add_volume("cells", SHAPE)
    recorder = Recorder(journal, "cells", np.zeros(SHAPE, np.uint8))
    recorder.array[3] = 1
    recorder.record("fill")
    recorder.array[5, 0, 0] = 1
    recorder.record("script")
    entries = journal.entries("cells")
    assert [(e.tool, e.author, e.action) for e in entries] == [
        ("fill", "Ada", "change"),
        ("script", "Ada", "change"),
    ]
    journal.close()
    states = sqlite3.connect(path).execute("SELECT state FROM change ORDER BY entry")
    assert states.fetchall() == [("complete",), ("open",)]


def test_a_clock_that_jumps_changes_no_order(journal, recorder, monkeypatch):
    times = iter([2e9, 1e9, 3e9])
    monkeypatch.setattr("sparseseg.project.journal.time.time", lambda: next(times))
    paint(recorder, 3)
    assert [entry.time for entry in journal.entries()] == [2e9, 1e9, 3e9]
    assert (journal.replay("cells") == recorder.array).all()


def test_a_snapshot_changes_nothing_that_is_read(journal, recorder, monkeypatch):
    monkeypatch.setattr("sparseseg.project.journal._ENTRIES_A_SNAPSHOT", 4)
    paint(recorder, 10)
    recorder.take(journal.undo())
    assert (journal.annotation("cells") == recorder.array).all()
    assert (journal.replay("cells") == recorder.array).all()


@pytest.mark.slow
def test_a_log_cut_at_every_byte_of_its_last_record_keeps_all_before(
    journal, recorder, path, tmp_path
):
    log = path.with_name(f"{path.name}-wal")
    paint(recorder, 3)
    last_begins = log.stat().st_size
    before = recorder.array.copy()
    recorder.array[1, 1, 1] = 77
    recorder.record("brush")
    whole = log.read_bytes()
    copy = tmp_path / "cut" / path.name
    copy.parent.mkdir()
    shutil.copyfile(path, copy)  # reading does not change it
    with copy.with_name(log.name).open("wb", buffering=0) as growing:
        growing.write(whole[:last_begins])
        for byte in whole[last_begins:]:
            cut = Journal(copy, read_only=True)
            assert (cut.annotation("cells") == before).all()
            cut.close()
            growing.write(bytes([byte]))
    last = Journal(copy, read_only=True)
    assert (last.annotation("cells") == recorder.array).all()
    last.close()


def test_a_file_that_lost_its_end_opens_with_what_came_before(
    journal, recorder, path, tmp_path
):
    stages = paint(recorder, 400)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.warns(Note, match="is damaged: its first"):
        saved = Journal(path)
    entries = len(saved.entries("cells"))
    assert 100 < entries < 400
    assert (saved.annotation("cells") == stages[entries]).all()
    assert (path.parent / "journal-damaged-1.sqlite").exists()
    later = Recorder(saved, "cells", saved.annotation("cells"))
    paint(later, 2, seed=1)
    saved.close()
    again = Journal(path)
    assert (again.annotation("cells") == later.array).all()
    again.close()


def test_a_damaged_journal_that_may_not_be_written_is_read_and_left_alone(
    journal, recorder, path
):
    paint(recorder, 400)
    journal.close()
    cut = path.read_bytes()[:-9000]
    path.write_bytes(cut)
    with pytest.warns(Note, match="nothing was changed"):
        Journal(path, read_only=True).close()
    assert path.read_bytes() == cut


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM change; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (a)",
        "DROP TABLE snapshot",
    ],
)
def test_a_file_with_other_tables_is_refused(journal, path, statement):
    journal.close()
    other = sqlite3.connect(path)
    other.execute(statement)
    other.commit()
    other.close()
    with pytest.raises(UserError, match="are not those of a journal"):
        Journal(path)


def test_another_database_and_a_newer_version_are_refused(journal, path, tmp_path):
    journal.close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(UserError, match=r"version 99.*update sparseseg"):
        Journal(path)
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE a (b)")
    other.close()
    with pytest.raises(UserError, match="is not a journal"):
        Journal(tmp_path / "other.sqlite")


def test_a_full_disk_loses_nothing_that_is_in_memory(journal, recorder):
    paint(recorder, 2)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    noise = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    recorder.array[...] = noise
    with pytest.raises(UserError, match="no space is left on its disk"):
        recorder.record("script")
    assert (recorder.array == noise).all()
    journal._connection.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    recorder.record("script")
    assert (journal.replay("cells") == noise).all()


def test_a_file_system_without_shared_memory_gets_another_mode(path, monkeypatch):
    real = ways._try_writing

    def refusing(connection: sqlite3.Connection, mode: str) -> None:
        if mode == "wal":
            raise sqlite3.OperationalError("disk I/O error")
        real(connection, mode)

    monkeypatch.setattr(ways, "_try_writing", refusing)
    with pytest.warns(Note, match="mode 'truncate'"):
        journal = Journal(path)
    journal.add_volume("cells", SHAPE)
    recorder = Recorder(journal, "cells", np.zeros(SHAPE, np.uint8))
    paint(recorder, 3)
    journal.close()
    monkeypatch.undo()
    again = Journal(path, read_only=True)
    assert (again.annotation("cells") == recorder.array).all()
    again.close()


def test_a_file_system_without_locks_is_said_and_used(path, monkeypatch):
    real = ways._opened

    def refusing(where: Path, way: ways.Way) -> sqlite3.Connection:
        if "nolock" not in way.address:
            raise sqlite3.OperationalError("locking protocol")
        return real(where, way)

    monkeypatch.setattr(ways, "_opened", refusing)
    with pytest.warns(Note, match="without locks"):
        journal = Journal(path)
    journal.add_volume("cells", SHAPE)
    paint(Recorder(journal, "cells", np.zeros(SHAPE, np.uint8)), 2)
    journal.close()


def test_a_reader_sees_what_a_writer_writes_meanwhile(journal, recorder, path):
    paint(recorder, 2)
    reader = Journal(path, read_only=True)
    paint(recorder, 2, seed=1)
    assert (reader.annotation("cells") == recorder.array).all()
    with pytest.raises(UserError, match="read-only"):
        reader.add_volume("more", SHAPE)
    reader.close()


def test_a_folder_that_is_missing_gets_one_sentence(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match="missing or read-only"):
            Journal(tmp_path / "none" / "journal.sqlite")
