"""A window that is killed while strokes are painted in it loses a second at most."""

import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from sparseseg.data.volume import Volume
from sparseseg.project.project import Project

ROOT = Path(__file__).parents[2]
SHAPE = (8, 40, 40)
WINDOW = """
import sys, time
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from sparseseg.widgets.dock import SegmentationDock
from tests.widgets.fake_session import FakeSession

app = QApplication([])
dock = SegmentationDock(ViewerModel(), session=FakeSession())
dock.desk.project.open(sys.argv[1])
places = iter([(z, y, x) for z in range(8) for y in range(1, 40, 3) for x in range(1, 40, 3)])

def paint():
    layer = dock.desk.link.annotation
    if layer is not None:
        layer.brush_size, place = 1, next(places)
        layer.paint(place, 1)
        print(time.time(), *place, flush=True)

timer = QTimer()
timer.timeout.connect(paint)
timer.start(20)
app.exec_() if hasattr(app, "exec_") else app.exec()
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_killed_window_loses_no_stroke_older_than_a_second(tmp_path, seed):
    folder = tmp_path / "work"
    noise = np.random.default_rng().random(SHAPE).astype(np.float32)
    with Project.new(folder) as project:
        project.add_volume(Volume.from_array(noise, name="cells"))
    command = [sys.executable, "-c", WINDOW, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as window:
        assert window.stdout is not None
        first = window.stdout.readline()
        time.sleep(float(np.random.default_rng(seed).uniform(0.5, 3.0)))
        killed = time.time()
        window.send_signal(signal.SIGKILL)
        lines = [first, *window.stdout.read().splitlines()]
    strokes = [line.split() for line in lines if len(line.split()) == 4]
    assert len(strokes) > 10
    with pytest.warns(UserWarning, match="taken over"):
        project = Project(folder)
    with project:
        array = project.annotation("cells")
    lost = [
        killed - float(when)
        for when, *place in strokes
        if array[tuple(map(int, place))] != 1
    ]
    assert [age for age in lost if age > 1.0] == []


@pytest.mark.slow
def test_the_benchmark_ends_with_a_sentence_where_its_window_does_nothing(
    monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("SPARSESEG_HOME", str(tmp_path))
    kills = importlib.import_module("kills")
    monkeypatch.setattr(kills, "use_window", lambda *_: time.sleep(600))
    monkeypatch.setattr(kills, "_PATIENCE", 0.1)
    told = ["--only", "window", "-o", str(tmp_path / "kills.json")]
    monkeypatch.setattr(sys, "argv", ["kills.py", *told])
    before = psutil.Process().children()
    with pytest.raises(SystemExit, match="of the window: the window did not get there"):
        kills.main()
    assert psutil.Process().children() == before
