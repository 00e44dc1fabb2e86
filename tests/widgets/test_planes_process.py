"""The window survives the end of its layers; in a process, because it crashed."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import napari
import numpy as np
from napari._qt import qt_main_window
from qtpy.QtTest import QTest
from sparseseg.widgets.dock import SegmentationDock

qt_main_window.SHOW_QT_WARNING = False
viewer = napari.Viewer()
dock = SegmentationDock(viewer)
viewer.window.add_dock_widget(dock)
noise = np.random.default_rng(0).integers(0, 255, (20, 30, 40))
viewer.add_image(noise.astype(np.uint8), name="a")
dock.classes.new.click()
QTest.qWait(500)
for _ in range(int(sys.argv[1])):
    dock.paint.planes.click()
    QTest.qWait(500)
viewer.layers.clear()
QTest.qWait(500)
dock.close()
viewer.close()
print("closed")
"""


@pytest.mark.slow
@pytest.mark.parametrize("clicks", [1, 2])
def test_napari_survives_the_end_of_its_layers_once_planes_were_shown(
    clicks, tmp_path, qapp
):
    script = tmp_path / "window.py"
    script.write_text(SCRIPT)

    found = subprocess.run(
        [sys.executable, str(script), str(clicks)],
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert found.stdout.strip().endswith("closed"), found.stderr[-2000:]
    assert found.returncode == 0
