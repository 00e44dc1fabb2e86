"""What `kill -9` loses: of the real window, of one that trains, and of the trainer.

    xvfb-run -a -s "-screen 0 1500x1000x24" python benchmarks/kills.py --kills 200

A window opens a project, and a script paints in it, up to fifty strokes a second. A tenth
of the kills meets a window that trains, and a tenth the training process, after which
*Restart* is pressed. Lost is a stroke that is not in the journal; its age is counted back
from the kill. Of the kills of a training, the first and every second after it wait for
a model. After each kill the project is opened, its annotation is made again from the
first entry and compared, and all models that are there are read. A window that tells nothing
for a quarter of an hour is ended with its helpers, and with the run.
"""

import argparse
import os
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import napari
import numpy as np
import psutil
import records
from napari._qt import qt_main_window
from qtpy.QtCore import QTimer

import sparseseg
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.project.project import Project
from sparseseg.session import SNAPSHOT
from sparseseg.session.events import Phase
from sparseseg.widgets.dock import SegmentationDock

_SHAPE = (24, 96, 96)
_COMPLETE = (4, 12, 20)
"""Slices that a training can begin with; nothing is painted there."""
_PAINTED = [z for z in range(_SHAPE[0]) if z not in _COMPLETE]
_BALL, _STROKE = 1, 2
_EVERY_MS = 20
_LONGEST = {"window": 4.0, "training": 20.0, "trainer": 20.0}
"""Seconds from the first stroke, or the start of a training, to a kill."""
_ORPHAN_SECONDS = 10.0
_PATIENCE = 900.0

qt_main_window.SHOW_QT_WARNING = False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=list(_LONGEST), help="all kills of one kind")
    out = Path(__file__).with_name("results") / "kills.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    tenth = args.kills // 10
    counts = {"training": tenth, "trainer": tenth, "window": args.kills - 2 * tenth}
    if args.only:
        counts = {args.only: args.kills}
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARSESEG_HOME"] = home
        folder = made(Path(home) / "project")
        for what, count in counts.items():
            kill = kill_trainers if what == "trainer" else kill_windows
            chance = random.Random(f"{what} {args.seed}")
            try:
                found = kill(folder, count, what, chance)
            except TimeoutError as error:
                raise SystemExit(f"after a kill of the {what}: {error}") from error
            row = {"killed": what, "seed": args.seed, **found}
            print(row, flush=True)
            records.append(args.out, row)


def made(folder: Path) -> Path:
    """Make a project of a noisy ball, with three complete slices."""
    z, y, x = np.ogrid[tuple(slice(-side / 2, side / 2) for side in _SHAPE)]
    ball = (4 * z) ** 2 + y**2 + x**2 < (_SHAPE[1] / 3) ** 2
    noise = np.random.default_rng(0).normal(80 * ball, 20)
    with Project.new(folder) as project:
        project.add_volume(Volume.from_array(noise.astype(np.float32), name="ball"))
        array = project.annotation("ball")
        recorder = project.recorder("ball", array)
        for index in _COMPLETE:
            array[index] = np.where(ball[index], _BALL, 255)
        recorder.record("script")
    return folder


def clear(folder: Path) -> None:
    """Erase all strokes, so that those to come can be told from those before."""
    with Project(folder) as project:
        array = project.annotation("ball")
        recorder = project.recorder("ball", array)
        array[array == _STROKE] = 0
        recorder.record("script")


def kill_windows(
    folder: Path, kills: int, what: str, chance: random.Random
) -> dict[str, Any]:
    """Kill a window, again and again; return what was lost."""
    found = Found()
    for number in range(kills):
        clear(folder)
        begin = time.time()
        with Window(folder, trains=what == "training") as window:
            window.listen_until(lambda w: w.strokes and (w.trainer or what == "window"))
            if what == "training" and not number % 2:
                window.listen_for_model(folder, begin)
            window.listen(chance.uniform(0.1, _LONGEST[what]))
            helpers = window.helpers()
            killed = time.time()
            window.process.kill()
            window.listen_to_the_end()
        found.orphans += len(psutil.wait_procs(helpers, _ORPHAN_SECONDS)[1])
        found.check(folder, window.strokes, killed)
    return found.row(kills)


def kill_trainers(
    folder: Path, kills: int, what: str, chance: random.Random
) -> dict[str, Any]:
    """Kill the training of one window, which trains again each time, and close it."""
    found = Found()
    clear(folder)
    with Window(folder, trains=True) as window:
        for number in range(kills):
            window.trainer, begin = 0, time.time()
            window.listen_until(lambda w: w.trainer)
            if not number % 2:
                window.listen_for_model(folder, begin)
            window.listen(chance.uniform(0.1, _LONGEST[what]))
            psutil.Process(window.trainer).kill()
            found.read_models(folder)
        window.words.send("close")
        window.listen_to_the_end()
    if window.process.exitcode != 0:
        raise RuntimeError("the window did not live to its end")
    found.check(folder, window.strokes, time.time())
    return found.row(kills)


def models_of(folder: Path) -> list[Path]:
    """Return the models of a project, and those that windows left."""
    home = Path(os.environ["SPARSESEG_HOME"])
    left = home.glob(f"recovery/models/*/{SNAPSHOT}")
    own = (folder / "models").glob("[!.]*.safetensors")  # what was being written is not
    return [*own, *left]


def newest_model(folder: Path) -> float:
    """Return when a model was written last."""
    return max((path.stat().st_mtime for path in models_of(folder)), default=0.0)


class Window:
    """A window in a process of its own, that tells of its strokes and its trainings.

    It is forked before Qt begins, so that libraries are not imported two hundred times.
    At the end of the block, whatever ends it, neither the window nor its helpers are left.
    """

    def __init__(self, folder: Path, *, trains: bool) -> None:
        self.strokes: list[tuple[float, int]] = []
        """When each was painted, and its number, which is its place."""
        self.trainer = 0
        """The process that trains, as it was told last."""
        fork = get_context("fork")
        self.words, theirs = fork.Pipe()
        self.process = fork.Process(target=use_window, args=(folder, theirs, trains))
        self.process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Python would wait for the window at its own end, for ever.
        if self.process.is_alive():
            helpers = self.helpers()
            self.process.kill()
            self.process.join()
            for helper in helpers:
                with suppress(psutil.NoSuchProcess):
                    helper.kill()

    def helpers(self) -> list[psutil.Process]:
        """Return the processes that the window has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def listen(self, seconds: float) -> None:
        """Take what the window tells for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.words.poll(left):
                self._take(self.words.recv())

    def listen_until(self, condition: Callable[["Window"], Any]) -> None:
        """Take what the window tells until something is so."""
        end = time.monotonic() + _PATIENCE
        while not condition(self):
            if time.monotonic() > end:
                raise TimeoutError(
                    f"the window did not get there within {_PATIENCE:.0f} s: try again "
                    "when the machine has less to do"
                )
            self.listen(0.02)

    def listen_for_model(self, folder: Path, since: float) -> None:
        """Take what the window tells until a model was written."""
        self.listen_until(lambda _: newest_model(folder) > since)

    def listen_to_the_end(self) -> None:
        """Take what is left of a window that ends."""
        try:
            while self.words.poll(_PATIENCE):
                self._take(self.words.recv())
        except (EOFError, OSError):
            pass
        self.process.join(_PATIENCE)

    def _take(self, told: tuple[str, Any]) -> None:
        kind, value = told
        if kind == "stroke":
            self.strokes.append(value)
        else:
            self.trainer = value


class Found:
    """What was found after the kills."""

    def __init__(self) -> None:
        self.strokes = self.unreadable = self.differs = self.orphans = self.models = 0
        self.ages: list[float] = []

    def check(
        self, folder: Path, strokes: list[tuple[float, int]], killed: float
    ) -> None:
        """Open the project as the next window would, and look for each stroke."""
        self.strokes += len(strokes)
        try:
            with warnings.catch_warnings(action="ignore", category=Note):
                project = Project(folder)
            with project:
                array = project.annotation("ball")
                self.differs += not np.array_equal(array, project.replay("ball"))
                project.volume("ball")
        except UserError:
            self.unreadable += 1
            return
        gone = [at for at, place in strokes if array[voxel_of(place)] != _STROKE]
        self.ages += [killed - at for at in gone]
        self.read_models(folder)

    def read_models(self, folder: Path) -> None:
        """Read the models of the project, and those that windows left."""
        for path in models_of(folder):
            self.models += 1
            try:
                sparseseg.load(path)
            except UserError:
                self.unreadable += 1

    def row(self, kills: int) -> dict[str, Any]:
        """Return all as one row."""
        return {
            "kills": kills,
            "strokes": self.strokes,
            "lost": len(self.ages),
            "oldest_lost_s": round(max(self.ages, default=0.0), 3),
            "older_than_a_second": sum(age > 1.0 for age in self.ages),
            "models_read": self.models,
            "unreadable": self.unreadable,
            "replays_that_differ": self.differs,
            "orphans": self.orphans,
        }


def voxel_of(place: int) -> tuple[int, int, int]:
    """Return the voxel of a stroke; each has its own."""
    _, rows, columns = _SHAPE
    number, rest = divmod(place, rows * columns)
    return _PAINTED[number], *divmod(rest, columns)


def use_window(folder: Path, words: Connection, trains: bool) -> None:
    """Open a project in a window, and paint and train until it is to be closed."""
    viewer = napari.Viewer()
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.desk.project.open(folder)
    if trains:
        dock.train.minutes.setValue(30)
    hand = Hand(dock, words, trains=trains)
    timer = QTimer(interval=_EVERY_MS)
    timer.timeout.connect(hand.work)
    timer.start()
    napari.run()


class Hand:
    """Paints, presses Train and Restart, and closes the window when it is told to."""

    def __init__(
        self, dock: SegmentationDock, words: Connection, *, trains: bool
    ) -> None:
        self._dock, self._words, self._trains = dock, words, trains
        self._painted = 0
        self._is_over = False

    def work(self) -> None:
        """Do what is next."""
        if self._is_over or not self._dock.desk.project.rows:
            return
        if self._words.poll():
            self._close()
            return
        layer = self._dock.desk.link.annotation
        layer.brush_size = 1
        layer.paint(voxel_of(self._painted), _STROKE)
        self._words.send(("stroke", (time.time(), self._painted)))
        self._painted += 1
        if self._trains:
            self._train()

    def _train(self) -> None:
        panel, session = self._dock.train, self._dock.desk.session
        buttons = {Phase.IDLE: panel.train, Phase.LOST: panel.restart}
        button = buttons.get(session.phase)
        if button is not None and button.isEnabled():
            button.click()
            self._words.send(("trains", session._process._process.pid))

    def _close(self) -> None:
        self._is_over = True
        self._dock.desk.session._model.is_saved = (
            True  # else a question waits for an answer
        )
        self._dock.desk.viewer.close()


if __name__ == "__main__":
    main()
