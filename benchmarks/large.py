"""An image that stays on disk, annotated and trained on in the real window.

A volume of noisy blobs is written as OME-Zarr, plane chunk by plane chunk, and opened as
a person would open it. Three slices are painted in part, *Train* is pressed, and the
memory of window and training process is looked at every 50 ms.
Without a screen: `xvfb-run -a python benchmarks/large.py`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
import records
import zarr
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from window import Watch

from sparseseg.session.events import Painted, Phase
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.slices import SliceView

_CHUNK = 64
_PAINTED = 400  # voxels along the sides of what is painted
_PATIENCE = 1800.0
_MB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--minutes", type=int, default=1, help="0 only opens it")
    parser.add_argument("--kind", choices=("file", "pyramid"), default="file")
    out = Path(__file__).with_name("results") / "large.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARSESEG_HOME"] = home
        path = Path(home) / "blobs.zarr"
        write(path, args.side)
        row = measure(path, args.minutes, args.kind)
    records.append(args.out, row)
    print(json.dumps(row, indent=1))


def write(path: Path, side: int) -> None:
    """Write a volume and one of half its resolution, of which no more is in memory."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    rng = np.random.default_rng(0)
    levels = [
        group.create_array(
            str(level), shape=(n,) * 3, chunks=(_CHUNK,) * 3, dtype=np.uint16
        )
        for level, n in enumerate((side, side // 2))
    ]
    for z in range(0, side, _CHUNK):
        grey = 1000 + 400 * blobs(slice(z, z + _CHUNK), side)
        grey += rng.integers(0, 400, grey.shape, np.uint16)
        levels[0][z : z + _CHUNK] = grey.astype(np.uint16)
        levels[1][z // 2 : (z + _CHUNK) // 2] = grey[::2, ::2, ::2].astype(np.uint16)
    scales = [{"type": "scale", "scale": [s] * 3} for s in (1.0, 2.0)]
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"],
            "datasets": [
                {"path": str(level), "coordinateTransformations": [scale]}
                for level, scale in enumerate(scales)
            ],
        }
    ]


def blobs(planes: slice, side: int) -> NDArray[np.float32]:
    """Return the smooth field of some planes; what is above 0.3 is an object."""
    z = np.arange(planes.start, min(planes.stop, side), dtype=np.float32)[:, None, None]
    y = np.arange(side, dtype=np.float32)[:, None]
    x = np.arange(side, dtype=np.float32)
    return np.sin(z / 9) * np.sin(y / 11) * np.sin(x / 10)


class Memory:
    """Notes the most private and shared memory that window and trainer take."""

    def __init__(self) -> None:
        self.most = {"window": 0.0, "trainer": 0.0, "shared": 0.0}
        self._own = psutil.Process()
        self._timer = QTimer(interval=50)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        self._note("window", self._own)
        for child in self._own.children(recursive=True):
            self._note("trainer", child)

    def _note(self, name: str, process: psutil.Process) -> None:
        try:
            found = process.memory_info()
        except psutil.Error:
            return
        private = (found.rss - found.shared) / _MB
        self.most[name] = max(self.most[name], private)
        self.most["shared"] = max(self.most["shared"], found.shared / _MB)


def measure(path: Path, minutes: int, kind: str) -> dict[str, Any]:
    """Open, paint, train and look at one slice; return what it took."""
    viewer = napari.Viewer()
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock)
    memory, watch = Memory(), Watch(dock)
    QTest.qWait(1000)
    empty = dict(memory.most)
    begin = time.perf_counter()
    shape = opened(viewer, path, kind)
    dock.classes.new.click()
    dock.desk.link.annotation.paint(tuple(side // 2 for side in shape), 1)
    QTest.qWait(1)
    stroke = time.perf_counter() - begin
    watch.start()
    QTest.qWait(5000)
    before = dict(memory.most)
    if minutes:
        paint(dock)
        QTest.qWait(5000)
    opening = max(watch.late)
    row = {
        "kind": kind,
        "shape": list(shape),
        "gigabytes": round(float(np.prod(shape)) * 2 / 2**30, 2),
        "seconds_to_first_stroke": round(stroke, 2),
        "minutes": minutes,
        **(learned(dock, minutes, shape[0] // 3) if minutes else {}),
        "empty_mb": {name: round(value) for name, value in empty.items()},
        "before_mb": {name: round(value) for name, value in before.items()},
        "most_mb": {name: round(value) for name, value in memory.most.items()},
        "longest_wait_opening_ms": round(1000 * opening),
        "longest_wait_ms": round(1000 * max(watch.late)),
    }
    if minutes:
        dock.desk.session.forget_model()  # else a question waits for an answer
    viewer.close()
    return row


def opened(viewer: napari.Viewer, path: Path, kind: str) -> tuple[int, ...]:
    """Open the file, or show its levels as a pyramid; return the shape in full."""
    if kind == "file":
        (layer,) = viewer.open(str(path), plugin="sparseseg")
    else:
        levels = [zarr.open_array(str(path / name), mode="r") for name in ("0", "1")]
        layer = viewer.add_image(levels, multiscale=True, contrast_limits=(600, 1800))
    shape: tuple[int, ...] = layer.data.shape
    return shape


def learned(dock: SegmentationDock, minutes: int, z: int) -> dict[str, Any]:
    """Train, and compare a slice with what was drawn."""
    row = trained(dock, minutes)
    return {**row, "dice_of_a_slice": round(dice_of_a_slice(dock, z), 3)}


def trained(dock: SegmentationDock, minutes: int) -> dict[str, Any]:
    """Train until the end; return how that went."""
    session = dock.desk.session
    dock.train.minutes.setValue(minutes)
    begin = time.perf_counter()
    wait(dock.train.train.isEnabled, "Train")
    dock.train.train.click()
    wait(lambda: dock.train.newest_step is not None, "first step")
    first = time.perf_counter() - begin
    wait(lambda: session.phase is Phase.IDLE, "end of training")
    step = dock.train.newest_step
    return {
        "seconds_to_first_step": round(first, 1),
        "steps": None if step is None else step.step,
    }


def dice_of_a_slice(dock: SegmentationDock, z: int) -> float:
    """Go to a slice, wait for its preview, and compare it with what was drawn."""
    shown: list[Painted] = []
    dock.desk.relay.painted.connect(shown.append)
    dock.desk.painter.go_to(SliceView(0, z))
    wait(lambda: bool(shown), "preview")
    arrays = dock.desk.link.arrays
    assert arrays is not None, "an annotation was begun"
    truth = blobs(slice(z, z + 1), arrays.prediction.shape[0])[0] > 0.3
    found = arrays.prediction[z] == 1
    return 2 * float((truth & found).sum()) / float(truth.sum() + found.sum())


def paint(dock: SegmentationDock) -> None:
    """Label a part of a slice across each axis, as a person would in a while."""
    arrays = dock.desk.link.arrays
    assert arrays is not None, "an annotation was begun"
    side = arrays.annotation.shape[0]
    half = min(_PAINTED, side) // 2
    part = slice(side // 2 - half, side // 2 + half)
    middle = slice(side // 2, side // 2 + 1)
    whole = blobs(slice(0, side), side)
    for axis in range(3):
        box = tuple(middle if n == axis else part for n in range(3))
        arrays.annotation[box] = np.where(whole[box] > 0.3, 1, 255)
    dock.desk.look()


def wait(ready: Any, what: str) -> None:
    """Let Qt go on until something is so."""
    until = time.perf_counter() + _PATIENCE
    while not ready():
        QTest.qWait(20)
        if time.perf_counter() > until:
            raise SystemExit(f"{what} did not come within {_PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
