"""Make the pictures of the window for these pages, by using it on the shipped sample.

Without a screen: `xvfb-run -a -s "-screen 0 1500x1000x24" python docs/screenshots.py`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari._qt import qt_main_window
from napari.layers import Layer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea, QWidget

from sparseseg.data.files import read
from sparseseg.models.install import import_file
from sparseseg.session.events import Phase
from sparseseg.widgets import samples
from sparseseg.widgets.batch_dock import BatchDock
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.slices import SliceView

_SIZE = (1480, 980)
_PATIENCE = 600.0
_FIXTURES = Path(__file__).parent.parent / "tests" / "models" / "fixtures"

# napari's note that PyQt5 will go does not belong into the pictures.
qt_main_window.SHOW_QT_WARNING = False


class Photographer:
    """Use the dock as a person would and take a picture of every step."""

    def __init__(self, folder: Path, theme: str) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.viewer.theme = theme
        self.viewer.window.resize(*_SIZE)
        self.dock = SegmentationDock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, name="Sparse segmentation")
        QTest.qWait(500)  # the column takes its room before an image fills the rest

    def open_sample(self) -> None:
        """Open the ovule as File > Open Sample does."""
        for data in samples.ovule_nuclei():
            self.viewer.add_layer(Layer.create(*data))

    def picture(
        self, name: str, *, scrolled: float | None = 0.0, of: QWidget | None = None
    ) -> None:
        """Write the whole window, its column scrolled from 0 (top) to 1, or one widget."""
        QTest.qWait(500)  # the column takes its height first
        if scrolled is not None:
            bar = self.dock.findChild(QScrollArea).verticalScrollBar()
            bar.setValue(round(scrolled * bar.maximum()))
        QTest.qWait(200)
        path = str(self.folder / f"{name}.png")
        if of is not None:
            of.grab().save(path)
        else:
            self.viewer.screenshot(path, canvas_only=False, flash=False)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Let the window work until something is so."""
        end = time.monotonic() + _PATIENCE
        while not condition():
            errors = [
                card.text
                for card in self.dock.messages.cards
                if card.property("level") == "error"
            ]
            if errors:
                raise RuntimeError(errors[0])
            if time.monotonic() > end:
                raise TimeoutError(f"no {what} after {_PATIENCE:.0f} s")
            QTest.qWait(100)

    def close(self) -> None:
        """Close the window, and with it the training process."""
        session = self.dock.desk.session
        if session.has_model:  # else a question about it waits for an answer
            session.forget_model()
        self.viewer.close()


def take_pictures(photographer: Photographer) -> None:
    """Walk from the empty window to the predicted volume."""
    dock = photographer.dock
    photographer.picture("empty")
    photographer.open_sample()
    dock.classes.use.click()
    dock.desk.painter.go_to(SliceView(0, 60))
    photographer.wait_for(lambda: bool(dock.paint.ledger.visible.text()), "ledger")
    photographer.picture("annotate")
    chooser = dock.train.recipe
    chooser.recipe.setCurrentText("UNet++ (2018)")
    chooser.fold.setChecked(True)
    photographer.picture("recipe", scrolled=0.7)
    chooser.fold.setChecked(False)
    chooser.recipe.setCurrentText("Three-view U-Net")
    dock.train.train.click()
    photographer.wait_for(lambda: len(dock.train.curves.points("network")) > 3, "score")
    photographer.picture("train", scrolled=1.0)
    photographer.wait_for(
        lambda: dock.desk.session.phase is Phase.IDLE, "trained model"
    )
    dock.sections[3].unfold()
    dock.result.predict.click()
    photographer.wait_for(lambda: dock.desk.session.phase is Phase.IDLE, "prediction")
    photographer.picture("result", scrolled=1.0)
    dock.clean.fold.setChecked(True)
    dock.clean.rules.setPlainText("drop below 300 voxels\nfill holes of 1")
    dock.clean.apply.click()
    photographer.wait_for(dock.clean.apply.isEnabled, "cleaned prediction")
    photographer.picture("clean", scrolled=1.0)


def take_picture_of_project(photographer: Photographer) -> None:
    """Save two volumes as a project, and lock a slice."""
    dock, viewer = photographer.dock, photographer.viewer
    photographer.open_sample()
    dock.classes.use.click()
    photographer.wait_for(lambda: not dock.desk.adoption.is_busy, "annotation")
    for data in samples.blobs():
        viewer.add_layer(Layer.create(*data))
    dock.image.choice.setCurrentText("blobs")
    dock.classes.new.click()
    project = dock.desk.project
    with tempfile.TemporaryDirectory() as folder:
        project.create(Path(folder) / "nuclei")
        photographer.wait_for(lambda: len(project.rows) == 2, "project")
        project.show("ovule nuclei")
        photographer.wait_for(lambda: project.current == "ovule nuclei", "volume")
        dock.desk.painter.go_to(SliceView(0, 50))
        project.locks.turn_slice(SliceView(0, 50))
        photographer.wait_for(lambda: bool(project.locks.guard.slices), "lock")
        for text in dock.messages.texts:
            dock.messages.withdraw(text)
        photographer.picture("project")
        project.close_project()


def take_picture_of_planes(photographer: Photographer) -> None:
    """Show the three planes of the sample with its annotated slices."""
    dock = photographer.dock
    photographer.open_sample()
    dock.classes.use.click()
    dock.desk.painter.go_to(SliceView(0, 44))
    dock.paint.planes.click()
    photographer.wait_for(lambda: dock.desk.ledger.count is not None, "ledger")
    for text in dock.messages.texts:
        dock.messages.withdraw(text)
    photographer.picture("planes")


def take_pictures_of_models(photographer: Photographer) -> None:
    """Show the list of models over a synthetic scan, and the table of a batch.

    The model is a tiny one that nnU-Net wrote, from the tests.
    """
    dock, viewer = photographer.dock, photographer.viewer
    import_file(_FIXTURES / "Dataset501_TinyLiTS", "tiny-lits")
    scan = read(_FIXTURES / "images_nnunet_v2" / "test_00_0000.nii.gz")
    place = {"scale": scan.spacing, "units": (scan.unit,) * 3}
    viewer.add_image(scan.array[0], name="scan", **place)
    dock.show_models()
    dock.picker.list.setCurrentRow(1)
    photographer.picture("models", of=dock.picker)
    dock.picker.close()
    viewer.window.remove_dock_widget(dock)
    batch = BatchDock(viewer)
    viewer.window.add_dock_widget(batch, name="Predict a folder")
    with tempfile.TemporaryDirectory() as output:
        batch.form.model.setEditText("tiny-lits")
        batch.form.folder.setText(str(_FIXTURES / "images_nnunet_v2"))
        batch.form.output.setText(output)
        batch.start.click()
        while batch.command.is_running:
            QTest.qWait(100)
        batch.table.selectRow(1)
        batch.open.click()
        batch.form.output.setText("predictions")
        batch.form.folder.setText("scans")
        photographer.picture("batch", scrolled=None)
    batch.close()


def main() -> None:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    parser.add_argument("--pictures", choices=["all", *_WALKS], default="all")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARSESEG_HOME"] = home  # no offer of what an earlier run left
        os.environ["SPARSESEG_MODEL_DIR"] = f"{home}/models"
        for name, walk in _WALKS.items():
            if arguments.pictures in ("all", name):
                photographer = Photographer(arguments.folder, arguments.theme)
                walk(photographer)
                photographer.close()


_WALKS = {
    "window": take_pictures,
    "project": take_picture_of_project,
    "planes": take_picture_of_planes,
    "models": take_pictures_of_models,
}


if __name__ == "__main__":
    main()
