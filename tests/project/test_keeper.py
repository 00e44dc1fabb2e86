"""What is painted is written in a thread, and a kill loses nothing that was written."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparseseg.project.journal import Journal
from sparseseg.project.keeper import Failed, Idle, Keeper, Turned
from sparseseg.project.project import Project

PAINTER = """
import sys, time
import numpy as np
from sparseseg.project.keeper import Keeper
from sparseseg.project.project import Project

def tell(words):  # in one piece, whichever thread it is
    sys.stdout.write(words + "\\n")
    sys.stdout.flush()

keeper = Keeper(Project(sys.argv[1]), print)
array = keeper.project.annotation("cells")
keeper.follow("cells", array)
random = np.random.default_rng(int(sys.argv[2]))
for number in range(100_000):
    z, y, x = (int(random.integers(0, side - 2)) for side in array.shape)
    tell(f"painted {number % 250 + 1} {z} {y} {x}")
    array[z, y : y + 4, x : x + 4] = number % 250 + 1
    keeper.look("cells", "script")
    # It comes after the look in the thread that writes.
    keeper.ask(lambda _: tell("written"))
    time.sleep(0.01)
"""


@pytest.fixture
def heard() -> list[Turned | Failed]:
    return []


@pytest.fixture
def keeper(project, heard) -> Keeper:
    return Keeper(project, heard.append)


def wait(keeper: Keeper) -> None:
    keeper.ask(lambda _: None).result()


def test_a_bug_in_the_thread_is_said_and_the_next_look_goes_on(
    keeper, project, heard, sample, monkeypatch
):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    wait(keeper)
    with monkeypatch.context() as broken:
        broken.setattr(project.journal, "append", lambda *_, **__: 1 / 0)
        array[1, 2:5, 2:5] = 1
        keeper.look("cells", "brush")
        wait(keeper)
    (failed,) = heard
    assert "could not be written (ZeroDivisionError" in failed.words
    keeper.look("cells", "brush")
    keeper.close()
    with Project(project.folder) as again:
        assert (again.annotation("cells") == array).all()


def test_strokes_are_written_and_undone_and_the_project_is_closed(
    keeper, project, heard, sample
):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    array[1, 2:5, 2:5] = 1
    keeper.look("cells", "brush", ends=False)
    wait(keeper)
    array[1, 2:5, 5:8] = 1
    keeper.look("cells", "brush")
    wait(keeper)
    array[5, 2:5, 2:5] = 2
    keeper.look("cells", "fill")
    keeper.turn("undo")
    keeper.turn("undo")
    keeper.close()

    told = [(t.action, t.volume, t.tool, t.where) for t in heard]
    assert told == [
        ("undo", "cells", "fill", (0, 5)),
        ("undo", "cells", "brush", (0, 1)),
    ]
    assert (array == sample.annotation).all()
    with Project(project.folder) as again:
        assert (again.annotation("cells") == array).all()


def test_a_stroke_that_holds_still_for_a_while_is_one_step(keeper, heard, sample):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    for column in (2, 2, 5):  # nothing new is found by the second look
        array[1, 2:5, column] = 1
        keeper.look("cells", "brush", ends=False)
        wait(keeper)
    keeper.look("cells", "brush")
    wait(keeper)
    array[1, 2:5, 8] = 1
    keeper.look("cells", "script")
    keeper.turn("undo")
    keeper.turn("undo")
    keeper.close()
    assert [(t.action, t.tool) for t in heard] == [
        ("undo", "script"),
        ("undo", "brush"),
    ]
    assert (array == sample.annotation).all()


def test_a_stroke_that_was_left_for_another_volume_is_over(
    keeper, project, heard, sample
):
    project.add_volume(replace(sample.volume, name="other"))
    array, other = sample.annotation.copy(), np.zeros_like(sample.annotation)
    keeper.follow("cells", array)
    keeper.follow("other", other)
    painted = [(array, "cells", False), (other, "other", True), (array, "cells", True)]
    for column, (labels, name, ends) in enumerate(painted):
        labels[1, 2:5, column] = 1
        keeper.look(name, "brush", ends=ends)
        wait(keeper)
    keeper.turn("undo")
    wait(keeper)
    assert (array[1, 2:5, 0] == 1).all()
    keeper.turn("undo")
    keeper.turn("undo")
    keeper.close()
    assert [t.volume for t in heard] == ["cells", "other", "cells"]
    assert (array == sample.annotation).all()


def test_undo_first_writes_what_is_not_written_yet(keeper, heard, sample):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    array[1, 2:5, 2:5] = 1
    keeper.turn("undo")
    keeper.turn("redo")
    keeper.close()
    assert [t.action for t in heard] == ["undo", "redo"]
    assert (array[1, 2:5, 2:5] == 1).all()


def test_nothing_to_undo_is_said(keeper, heard):
    keeper.turn("undo")
    keeper.close()
    assert heard == [Idle("There is nothing to undo.")]


def test_what_could_not_be_written_is_said_and_written_later(
    keeper, project, heard, sample
):
    connection = project.journal._connection
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    noise = np.random.default_rng(0).integers(1, 250, array.shape, np.uint8)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    keeper.ask(
        lambda _: connection.execute(f"PRAGMA max_page_count = {pages}")
    ).result()
    array[...] = noise
    keeper.look("cells", "script")
    keeper.ask(lambda _: connection.execute("PRAGMA max_page_count = 100000")).result()
    keeper.look("cells", "script")
    keeper.close()
    (failure,) = heard
    assert "no space is left" in failure.words
    with Project(project.folder) as again:
        assert (again.annotation("cells") == noise).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_any_moment_loses_no_stroke_that_was_written(project, seed):
    # How soon a stroke is written is measured by benchmarks/journal.py.
    folder = project.folder
    project.close()
    wait = float(np.random.default_rng(seed).uniform(0.3, 1.5))
    strokes, written = painted_until_killed(folder, seed, wait)
    with pytest.warns(UserWarning, match="the lock was taken over"):
        project = Project(folder)
    with project:
        assert project.journal.mode == "wal"
        array = project.annotation("cells")
        assert (array == project.replay("cells")).all()
    assert written
    assert lost(array, strokes, written) == []


def painted_until_killed(
    folder: Path, seed: int, seconds: float
) -> tuple[list[list[int]], int]:
    """Let a process paint; kill it so long after it began.

    Returns its strokes, each a value and its first voxel, and how many were written.
    """
    command = [sys.executable, "-c", PAINTER, str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as painter:
        assert painter.stdout is not None
        first = painter.stdout.readline()
        time.sleep(seconds)
        painter.send_signal(signal.SIGKILL)
        lines = [first, *painter.stdout.read().splitlines()]
    words = [line.split() for line in lines]
    strokes = [
        list(map(int, rest))
        for kind, *rest in words
        if kind == "painted" and len(rest) == 4
    ]
    return strokes, sum(kind == "written" for kind, *_ in words[:-1])


def lost(array: np.ndarray, strokes: list[list[int]], written: int) -> list[list[int]]:
    """Return the written strokes of which a voxel, that no later one covers, is not there."""
    covered = np.zeros(array.shape, bool)
    missing = []
    for number, stroke in reversed(list(enumerate(strokes))):
        value, z, y, x = stroke
        part = np.s_[z, y : y + 4, x : x + 4]
        own = ~covered[part]
        if number < written and (array[part][own] != value).any():
            missing.append(stroke)
        covered[part] = True
    return missing


def test_a_journal_is_whole_for_a_reader_while_it_is_written(keeper, project, sample):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    for number in range(20):
        array[3, number % 18] = number + 1
        keeper.look("cells", "script")
    wait(keeper)
    reader = Journal(project.folder / "journal.sqlite", read_only=True)
    assert (reader.annotation("cells") == array).all()
    reader.close()
    keeper.close()


def test_what_is_closed_at_the_end_of_the_interpreter_is_written(
    keeper, project, sample
):
    array = sample.annotation.copy()
    keeper.follow("cells", array)
    wait(keeper)
    array[1, 2:5, 2:5] = 1
    keeper._worker.shutdown()  # as the interpreter does before Qt's last objects go
    keeper.close()
    with Project(project.folder) as again:
        assert (again.annotation("cells") == array).all()
