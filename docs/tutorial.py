"""Walk through the tutorials in the real window: take their pictures, and time the steps.

Each step is done as a person would do it, with clicks on the buttons and strokes on the
slices; what a person needs to read and to decide is not in the seconds.
Without a screen: `xvfb-run -a -s "-screen 0 1500x1000x24" python docs/tutorial.py`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QScrollArea, QWidget
from scipy.ndimage import gaussian_filter
from screenshots import Photographer
from skimage.measure import approximate_polygon, find_contours

from sparseseg.data.files import write_image
from sparseseg.data.samples import ovule_nuclei
from sparseseg.data.volume import Volume
from sparseseg.session.events import Phase
from sparseseg.widgets.slices import SliceView

_CT_SHAPE, _CT_SPACING = (60, 160, 200), (3.0, 1.6, 1.6)
_SIZE = (1200, 780)
_LEAST_AREA = 30  # pixels of what a person would outline


class Walk:
    """A tutorial that is walked through; `seconds` has the time of each step."""

    def __init__(self, photographer: Photographer, name: str, *, minutes: int) -> None:
        self.photographer = photographer
        self.dock, self.viewer = photographer.dock, photographer.viewer
        self.minutes = minutes
        self.seconds: dict[str, float] = {}
        self._name = name
        self.viewer.window.resize(*_SIZE)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and take its picture."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 1)
        self.photographer.picture(f"tutorial-{self._name}-{name}", scrolled=None)

    def click(self, button: QWidget) -> None:
        """Bring a button into view and click it."""
        area = self.dock.findChild(QScrollArea)
        if area.isAncestorOf(button):
            area.ensureWidgetVisible(button)
        QTest.qWait(50)
        if not button.isEnabled():
            raise RuntimeError(f"{button.text()!r} cannot be clicked")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        QTest.qWait(50)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Let the window work until something is so."""
        self.photographer.wait_for(condition, what)

    def go_to(self, axis: int, index: int) -> None:
        """Show a slice."""
        self.dock.desk.painter.go_to(SliceView(axis, index))
        QTest.qWait(100)

    def unfold(self, number: int) -> None:
        """Open a step of the column."""
        section = self.dock.sections[number]
        if section.is_folded:
            self.click(section.fold)

    def outline(self, truth: NDArray[np.uint8], axis: int, index: int) -> None:
        """Outline the objects of a slice as polygons, and fill the rest of it."""
        self.go_to(axis, index)
        layer = self.dock.desk.link.annotation
        plane = truth.take(index, axis)
        for number in np.unique(plane[plane > 0]):
            self.dock.desk.painter.select(int(number))
            for points in _outlines(plane == number):
                layer.paint_polygon(np.insert(points, axis, index, axis=1), int(number))
                QTest.qWait(20)
        self.click(self.dock.paint.fill)
        self.wait(lambda: not self.dock.desk.writing.is_busy, "filled slice")

    def save_project(self, folder: Path) -> None:
        """Press Save project and name a folder."""
        answer = (str(folder), "")
        with patch.object(QFileDialog, "getSaveFileName", return_value=answer):
            self.click(self.dock.project.save)
        project = self.dock.desk.project
        self.wait(lambda: bool(project.rows), "project")
        QTest.qWait(500)
        self.tidy(str(folder))  # of nobody who reads this

    def train(self) -> None:
        """Press Train and wait for the end."""
        self.unfold(2)
        self.dock.train.minutes.setValue(self.minutes)
        self.wait(self.dock.train.train.isEnabled, "Train")
        self.click(self.dock.train.train)
        self.wait(lambda: self.dock.desk.session.phase is not Phase.IDLE, "training")
        self.wait(lambda: self.dock.desk.session.phase is Phase.IDLE, "trained model")
        QTest.qWait(500)
        self.tidy(".safetensors")

    def predict(self) -> None:
        """Press Predict volume and wait for the end."""
        self.unfold(3)
        self.click(self.dock.result.predict)
        self.wait(lambda: self.dock.desk.session.phase is not Phase.IDLE, "prediction")
        self.wait(lambda: self.dock.desk.session.phase is Phase.IDLE, "prediction")

    def tidy(self, part: str = "") -> None:
        """Close the messages that were read, or those with a part of them."""
        for text in self.dock.messages.texts:
            if part in text:
                self.dock.messages.withdraw(text)


def _outlines(member: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Yield polygons (rows, columns) round the parts of a plane, as a hand draws them."""
    padded = np.pad(member, 1).astype(float)
    for contour in find_contours(padded, 0.5):
        points = approximate_polygon(contour - 1, 0.7)
        rows, columns = np.ptp(contour, axis=0)
        if len(points) > 3 and rows * columns >= _LEAST_AREA:
            yield points[:-1]


def nuclei(walk: Walk, folder: Path) -> None:
    """From the shipped sample to counted nuclei."""
    dock = walk.dock
    truth = (ovule_nuclei().truth > 0).astype(np.uint8)
    with walk.step("open"):
        walk.photographer.open_sample()
        walk.click(dock.classes.use)
        walk.wait(lambda: not dock.desk.adoption.is_busy, "annotation")
        walk.viewer.reset_view()
    with walk.step("save"):
        walk.save_project(folder / "nuclei")
    with walk.step("paint"):
        walk.outline(truth, 0, 25)
    with walk.step("planes"):
        walk.click(dock.paint.planes)
        QTest.qWait(500)
        walk.tidy()
    walk.click(dock.paint.planes)
    _learn(walk)
    _measure(walk)


def _learn(walk: Walk) -> None:
    dock = walk.dock
    with walk.step("train"):
        walk.train()
    with walk.step("predict"):
        walk.predict()
    with walk.step("doubts"):
        walk.click(dock.doubts.find)
        walk.wait(lambda: dock.doubts.list.count() > 0, "doubtful places")
        dock.doubts.list.setCurrentRow(0)
    with walk.step("correct"):
        view = dock.desk.painter.view
        walk.click(dock.result.accept)
        walk.wait(lambda: not dock.desk.writing.is_busy, "accepted slice")
        dock.desk.link.seat.doubt.visible = False
        walk.unfold(1)
        walk.click(dock.locks.slice)
        place = view.axis, view.index
        walk.wait(lambda: place in dock.desk.project.locks.guard.slices, "lock")
    with walk.step("again"):
        walk.train()
        walk.predict()


def _measure(walk: Walk) -> None:
    dock = walk.dock
    with walk.step("objects"):
        walk.unfold(3)
        dock.objects.fold.setChecked(True)
        walk.click(dock.objects.find)
        walk.wait(dock.objects.measure.isEnabled, "objects")
        walk.click(dock.objects.measure)
        walk.wait(lambda: dock.objects.table.isVisible(), "table")


def ct(walk: Walk, folder: Path) -> None:
    """From a file of Hounsfield units to cleaned organs."""
    dock, truth = walk.dock, _organs()
    scan = folder / "scan.nii.gz"
    write_image(scan, _scan(truth)[None], _phantom())
    with walk.step("open"):
        walk.viewer.open(str(scan), plugin="sparseseg")
        QTest.qWait(300)
        walk.viewer.reset_view()
    with walk.step("classes"):
        walk.click(dock.classes.new)
        model = dock.desk.classes
        model.rename(1, "liver")
        walk.click(dock.classes.add)
        model.rename(2, "spine")
    with walk.step("paint"):
        for index in (16, 32, 48):
            walk.outline(truth, 0, index)
    with walk.step("save"):
        walk.save_project(folder / "ct")
    with walk.step("train"):
        walk.train()
    with walk.step("predict"):
        walk.predict()
    with walk.step("clean"):
        dock.clean.fold.setChecked(True)
        dock.clean.rules.setPlainText("keep 1 largest of liver\nfill holes of liver")
        walk.click(dock.clean.apply)
        walk.wait(dock.clean.apply.isEnabled, "cleaned prediction")


def _phantom() -> Volume:
    empty = np.zeros((1, *_CT_SHAPE), np.int16)
    return Volume(empty, _CT_SPACING, "mm", name="scan")


def _organs() -> NDArray[np.uint8]:
    """Return a liver (1) and a spine (2) of a made-up body."""
    z, y, x = np.ogrid[-1 : 1 : 1j * _CT_SHAPE[0], -1:1:160j, -1:1:200j]
    liver = ((x + 0.35) / 0.38) ** 2 + ((y - 0.05) / 0.5) ** 2 + (z / 0.8) ** 2 < 1
    liver &= ((x - 0.05) / 0.3) ** 2 + ((y - 0.1) / 0.45) ** 2 + (z / 0.9) ** 2 > 1
    bend = 0.62 + 0.05 * np.sin(3 * z)
    spine = (x / 0.1) ** 2 + ((y - bend) / 0.13) ** 2 < 1
    spine = spine & (np.abs(np.sin(6 * z)) > 0.1)
    return np.where(spine, 2, np.where(liver, 1, 0)).astype(np.uint8)


def _scan(organs: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return Hounsfield units of a body with these organs."""
    z, y, x = np.ogrid[-1 : 1 : 1j * _CT_SHAPE[0], -1:1:160j, -1:1:200j]
    body = (x / 0.9) ** 2 + (y / 0.85) ** 2 + 0 * z < 1
    inside = (x / 0.8) ** 2 + (y / 0.75) ** 2 + 0 * z < 1
    kidneys = ((np.abs(x) - 0.45) / 0.14) ** 2 + ((y - 0.45) / 0.14) ** 2 + z**2 < 0.6
    units = np.where(body, np.where(inside, 40.0, -90.0), -1000.0)
    units[np.broadcast_to(kidneys, units.shape)] = 90
    units[organs == 1], units[organs == 2] = 110, 300
    blurred = gaussian_filter(units, (0.5, 0.8, 0.8))
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 60, units.shape), 0.6)
    return np.round(blurred + noise).clip(-1024, 3071).astype(np.int16)


_TUTORIALS = {"nuclei": nuclei, "ct": ct}


def main() -> None:
    """Walk through the tutorials, and write their pictures and their times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    parser.add_argument(
        "--tutorials", nargs="+", choices=list(_TUTORIALS), default=list(_TUTORIALS)
    )
    parser.add_argument("--minutes", type=int, default=1, help="of each training")
    parser.add_argument("--timings", type=Path, help="a JSON file for the seconds")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in arguments.tutorials:
        with tempfile.TemporaryDirectory() as home:
            os.environ["SPARSESEG_HOME"] = f"{home}/kept"
            photographer = Photographer(arguments.folder, arguments.theme)
            walk = Walk(photographer, name, minutes=arguments.minutes)
            _TUTORIALS[name](walk, Path(home))
            photographer.dock.desk.project.close_project()
            photographer.close()
        found[name] = walk.seconds
    if arguments.timings:
        arguments.timings.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
