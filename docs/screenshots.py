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
from qtpy.QtWidgets import QScrollArea

from sparseseg.events import Phase
from sparseseg.widgets import samples
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.slices import SliceView

_SIZE = (1480, 980)
_PATIENCE = 600.0

# napari's note that PyQt5 will go does not belong into the pictures.
qt_main_window.SHOW_QT_WARNING = False


class Photographer:
    """Use the dock as a person would and take a picture of every step."""

    def __init__(self, folder: Path, theme: str) -> None:
        self._folder = folder
        self._viewer = napari.Viewer()
        self._viewer.theme = theme
        self._viewer.window.resize(*_SIZE)
        self.dock = SegmentationDock(self._viewer)
        self._viewer.window.add_dock_widget(self.dock, name="Sparse segmentation")

    def open_sample(self) -> None:
        """Open the ovule as File > Open Sample does."""
        for data in samples.ovule_nuclei():
            self._viewer.add_layer(Layer.create(*data))

    def picture(self, name: str, *, scrolled: float = 0.0) -> None:
        """Write the whole window, with the column scrolled from 0 (top) to 1."""
        QTest.qWait(500)  # the column takes its height first
        bar = self.dock.findChild(QScrollArea).verticalScrollBar()
        bar.setValue(round(scrolled * bar.maximum()))
        QTest.qWait(200)
        path = str(self._folder / f"{name}.png")
        self._viewer.screenshot(path, canvas_only=False, flash=False)

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
        self._viewer.close()


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
    chooser.recipe.setCurrentText("Interactive U-Net")
    dock.train.train.click()
    photographer.wait_for(lambda: len(dock.train.curves.points("network")) > 3, "score")
    photographer.picture("train", scrolled=1.0)
    photographer.wait_for(
        lambda: dock.desk.session.phase is Phase.IDLE, "trained model"
    )
    dock.result.predict.click()
    photographer.wait_for(lambda: dock.desk.session.phase is Phase.IDLE, "prediction")
    photographer.picture("result", scrolled=1.0)


def main() -> None:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARSESEG_HOME"] = home  # no offer of what an earlier run left
        photographer = Photographer(arguments.folder, arguments.theme)
        take_pictures(photographer)
        photographer.close()


if __name__ == "__main__":
    main()
