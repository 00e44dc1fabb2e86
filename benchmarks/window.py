"""How the window answers while training runs: the first preview, and waiting clicks.

The dock is opened on the shipped sample and used as a person would: Train is pressed
after a pause, in which a person would paint and the training process loads its libraries,
and every 20 ms Qt is asked to answer. An answer that comes late is what a click would
have waited. `busy` is how long Qt's thread worked between two answers: on a machine that
other programs use, the rest of the wait is theirs. Without a screen:
`xvfb-run -a -s "-screen 0 1500x1000x24" python benchmarks/window.py`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import napari
import records
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

from sparseseg.session.events import Painted, Phase
from sparseseg.widgets import samples
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.slices import SliceView

_EVERY_MS = 20
_BRUSH_EVERY_MS = 500
_PATIENCE = 900.0


class Watch:
    """Notes how late Qt answers, and when the first previews come."""

    def __init__(self, dock: SegmentationDock) -> None:
        self.late: list[float] = []
        self.busy: list[float] = []
        self.first: dict[str, float] = {}
        self._begin = self._due = time.perf_counter()
        self._worked = time.thread_time()
        self._timer = QTimer(interval=_EVERY_MS)
        self._timer.timeout.connect(self._tick)
        dock.desk.relay.painted.connect(self._painted)

    def start(self) -> None:
        """Begin to count."""
        self.late.clear()
        self.busy.clear()
        self._begin = time.perf_counter()
        self._worked = time.thread_time()
        self._due = self._begin + _EVERY_MS / 1000
        self._timer.start()

    def stop(self) -> None:
        """Count no more."""
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._due))
        self._due = now + _EVERY_MS / 1000
        worked, self._worked = self._worked, time.thread_time()
        self.busy.append(self._worked - worked)

    def _painted(self, painted: Painted) -> None:
        self.first.setdefault(painted.method, time.perf_counter() - self._begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds before Train")
    parser.add_argument(
        "--look", type=float, default=0.0, help="seconds before the image is chosen"
    )
    parser.add_argument(
        "--preview-only", action="store_true", help="end at the network's first answer"
    )
    out = Path(__file__).with_name("results") / "window.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARSESEG_HOME"] = home
        row = measure(args)
    records.append(args.out, row)
    print(json.dumps(row, indent=1))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Train in the window, painting all the while, and return what was waited for."""
    viewer = napari.Viewer()
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock)
    for data in samples.ovule_nuclei():
        viewer.add_layer(Layer.create(*data))
    QTest.qWait(round(1000 * args.look))
    dock.classes.use.click()
    while dock.desk.adoption.is_busy:
        QTest.qWait(10)
    dock.desk.painter.go_to(SliceView(0, 60))
    dock.train.minutes.setValue(args.minutes)
    watch = Watch(dock)
    QTest.qWait(round(1000 * args.pause))
    dock.train.train.click()
    watch.start()
    _paint_until_trained(dock, watch if args.preview_only else None)
    watch.stop()
    row = {
        "volume": "sample",
        "minutes": args.minutes,
        "look_seconds": args.look,
        "pause_seconds": args.pause,
        "first_preview_seconds": watch.first,
        "answers": len(watch.late),
        "late_ms": _spread(watch.late),
        "busy_ms": _spread(watch.busy),
    }
    _close(viewer, dock)
    return row


def _close(viewer: napari.Viewer, dock: SegmentationDock) -> None:
    """Close the window without a question about the model, which would wait for ever."""
    session = dock.desk.session
    if session.phase is not Phase.IDLE:
        session.stop()
    while session.phase is not Phase.IDLE:
        QTest.qWait(100)
    session.forget_model()
    viewer.close()


def _spread(seconds: list[float]) -> dict[str, float]:
    """Return the middle and the end of what was measured, in milliseconds."""
    times = [round(1000 * second, 2) for second in sorted(seconds)]
    place = int(0.99 * len(times))
    return {"median": median(times), "p99": times[place], "longest": times[-1]}


def _paint_until_trained(dock: SegmentationDock, watch: Watch | None) -> None:
    """Dab with the brush now and then; end when training, or what is watched, has."""
    layer = dock.desk.link.annotation
    end, count = time.monotonic() + _PATIENCE, 0
    while dock.desk.session.phase is not Phase.IDLE or count == 0:
        layer.paint((60, 20 + count % 40, 30), 1)
        count += 1
        if watch and "network" in watch.first:
            return
        QTest.qWait(_BRUSH_EVERY_MS)
        if time.monotonic() > end:
            raise TimeoutError("training did not end")


if __name__ == "__main__":
    main()
