"""A day's work on real volumes in the real window, done by script, with its pictures.

    SPARSESEG_DATA=... xvfb-run -a -s "-screen 0 1500x1000x24" python benchmarks/day.py em ct

Two parts of a volume become one project: outlined slices across two axes, three planes, a
training, interpolated and predicted proposals that are accepted, a lock, an undo that goes
back beyond a restart of the window, the second volume, a training on both, predictions of
both, the report and the export. It stops at the first message that is an error. Each step
is timed and has a picture, which is there to be looked at. Data: `unseen.py` says which.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import records
from numpy.typing import NDArray
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from sparseseg.data.files import read, write_image
from sparseseg.data.volume import Volume
from sparseseg.project.project import Project
from sparseseg.session.events import Phase

sys.path.append(str(Path(__file__).parents[1] / "docs"))
from screenshots import Photographer
from tutorial import Walk

_SIZE = (1366, 768)
_PARTS = {
    "em": (
        "em_vnc_sstem/stack1",
        "_image.tif",
        (slice(0, 20), slice(0, 320), slice(0, 320)),
        (slice(0, 20), slice(600, 920), slice(600, 920)),
    ),
    "ct": (
        "ct_liver_chaos/set3",
        "_image.nii.gz",
        (slice(10, 40), slice(60, 260), slice(60, 300)),
        (slice(40, 70), slice(60, 260), slice(60, 300)),
    ),
}
Part = tuple[Path, NDArray[np.uint8]]
"""The file of a volume, and its true classes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("days", nargs="+", choices=list(_PARTS))
    parser.add_argument("--minutes", type=int, default=1, help="of each training")
    parser.add_argument("--pictures", type=Path, default=Path("day"))
    out = Path(__file__).with_name("results") / "day.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    args.pictures.mkdir(parents=True, exist_ok=True)
    for name in args.days:
        with tempfile.TemporaryDirectory() as home:
            os.environ["SPARSESEG_HOME"] = f"{home}/kept"
            day = Day(name, Path(home), args.pictures, args.minutes)
            day.work()
        row = {"day": name, "minutes": args.minutes, "seconds": day.seconds}
        print(json.dumps(row, indent=1))
        records.append(args.out, row)


def parts_of(name: str, home: Path) -> list[Part]:
    """Cut two parts out of a volume, and write each into a file."""
    stem, ending, *boxes = _PARTS[name]
    source = Path(os.environ["SPARSESEG_DATA"], stem)
    whole = read(Path(f"{source}{ending}"))
    truth = read(Path(f"{source}{ending.replace('image', 'labels')}"))
    found = []
    for number, box in enumerate(boxes, 1):
        path = home / f"{name}-{number}{ending.removeprefix('_image')}"
        voxels = np.ascontiguousarray(np.asarray(whole.array)[(slice(None), *box)])
        like = Volume(voxels, whole.spacing, whole.unit, name=path.stem)
        write_image(path, voxels, like=like)
        labels = np.asarray(truth.array)[0][box]
        found.append((path, (labels == labels.max()).astype(np.uint8)))
    return found


class Day:
    """One project of two volumes, from the first slice to the report."""

    def __init__(self, name: str, home: Path, pictures: Path, minutes: int) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._home = name, home
        self._pictures, self._minutes = pictures, minutes
        self._parts = parts_of(name, home)
        self._project = home / "project"
        self._walk = self._opened()

    def work(self) -> None:
        """Do all of it."""
        self._first_volume()
        self._proposals()
        self._restart()
        self._second_volume()
        self._results()

    def _opened(self) -> Walk:
        """Open a window; its steps are counted with those of the window before."""
        walk = Walk(
            Photographer(self._pictures, "dark"),
            f"day-{self._name}",
            minutes=self._minutes,
        )
        walk.viewer.window.resize(*_SIZE)
        walk.seconds = self.seconds
        return walk

    def _open(self, number: int) -> None:
        path, _ = self._parts[number]
        reader = "napari" if path.suffix == ".tif" else "sparseseg"
        self._walk.viewer.open(str(path), plugin=reader)
        QTest.qWait(300)
        self._walk.viewer.reset_view()

    def _first_volume(self) -> None:
        walk, (_, truth) = self._walk, self._parts[0]
        with walk.step("open"):
            self._open(0)
            walk.click(walk.dock.classes.new)
        with walk.step("paint"):
            walk.outline(truth, 0, 4)
            walk.outline(truth, 0, len(truth) - 5)
            walk.outline(truth, 1, truth.shape[1] // 2)
        with walk.step("save"):
            walk.save_project(self._project)
        with walk.step("planes"):
            walk.click(walk.dock.paint.planes)
            QTest.qWait(500)
        walk.click(walk.dock.paint.planes)
        with walk.step("train"):
            walk.train()
        with walk.step("predict"):
            walk.predict()

    def _proposals(self) -> None:
        walk, dock = self._walk, self._walk.dock
        panel = dock.proposals
        with walk.step("propose"):
            walk.unfold(1)
            panel.fold.setChecked(True)
            walk.go_to(0, len(self._parts[0][1]) // 2)
            walk.click(panel.make)
            walk.wait(lambda: panel.proposals.layer is not None, "proposal")
        with walk.step("accept"):
            walk.click(panel.slice)
            walk.wait(lambda: not dock.desk.writing.is_busy, "accepted slice")
            walk.click(panel.discard)
            panel.fold.setChecked(False)
        with walk.step("lock"):
            walk.click(dock.locks.slice)
            locks = dock.desk.project.locks
            walk.wait(lambda: bool(locks.guard.slices), "lock")
            walk.click(dock.locks.slice)
            walk.wait(lambda: not locks.guard.slices, "open lock")

    def _restart(self) -> None:
        """Close the window, open the project again, and undo what came before."""
        self._close()
        self._walk = walk = self._opened()
        dock = walk.dock
        with walk.step("reopen"), patch_folder(self._project):
            walk.click(dock.project.open)
            walk.wait(lambda: bool(dock.desk.project.rows), "project")
            walk.wait(lambda: dock.desk.session.has_model, "model")
        array = dock.desk.link.arrays.annotation
        with walk.step("undo"):
            before = np.count_nonzero(array)
            walk.click(dock.project.undo)
            walk.wait(lambda: np.count_nonzero(array) < before, "undo")
            walk.click(dock.project.redo)
            walk.wait(lambda: np.count_nonzero(array) == before, "redo")

    def _second_volume(self) -> None:
        walk, (_, truth) = self._walk, self._parts[1]
        dock = walk.dock
        with walk.step("second"):
            self._open(1)
            dock.image.choice.setCurrentIndex(dock.image.choice.count() - 1)
            dock.desk.link.annotate()
            walk.wait(lambda: len(dock.desk.project.rows) == 2, "second volume")
            walk.outline(truth, 0, len(truth) // 2)
        with walk.step("both"):
            walk.tidy()
            walk.train()
            walk.predict()
        with walk.step("first"):
            dock.project.volumes.selectRow(0)
            walk.wait(lambda: dock.desk.project.current.endswith("1"), "first volume")
            walk.wait(lambda: dock.desk.session.phase is Phase.IDLE, "rest")
            walk.predict()

    def _results(self) -> None:
        walk, dock = self._walk, self._walk.dock
        report = self._home / "report.html"
        answer = (str(report), "")
        with (
            walk.step("report"),
            patch.object(QFileDialog, "getSaveFileName", return_value=answer),
        ):
            walk.click(dock.project.report)
            walk.wait(report.exists, "report")
        self._close()
        again = [sys.executable, "-m", "sparseseg", "project"]
        for words in (["export", "-o"], ["replay", "-o"]):
            target = [str(self._home / words[0])]
            subprocess.check_call([*again, words[0], str(self._project), "-o", *target])
        with Project(self._project, read_only=True) as project:
            names = [volume.name for volume in project.volumes]
            assert all(project.annotation(name).any() for name in names)

    def _close(self) -> None:
        self._walk.dock.desk.project.close_project()
        self._walk.photographer.close()
        QTest.qWait(500)


def patch_folder(folder: Path) -> "patch[str]":
    """Answer the question for a folder."""
    return patch.object(QFileDialog, "getExistingDirectory", return_value=str(folder))


if __name__ == "__main__":
    main()
