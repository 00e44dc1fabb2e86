"""How long a stroke in one plane takes to be drawn in the other two.

    xvfb-run -a -s "-screen 0 1500x1000x24" python -m benchmarks.planes --side 512

A real window is used. A stroke is one dab of the brush round the point where the planes
cross, so that it is seen in each. Its time ends when all three canvases have drawn it.
`alone` is the time of the same strokes in napari's canvas without the other planes.
`busy` is how long Qt's thread worked: `layers_busy` until the stroke is in the layers of all
planes, `draw_busy` to draw them, `same_busy` to draw them where nothing has changed.
"""

import argparse
import json
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.slices import SliceView


def measured(side: int, strokes: int) -> dict[str, float | int]:
    """Paint strokes and return their times to all planes, in milliseconds."""
    random = np.random.default_rng(0)
    viewer = napari.Viewer()
    viewer.window.resize(1480, 980)
    image = random.integers(0, 255, (side,) * 3, np.uint8)
    viewer.add_image(image, name="noise")
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    dock.classes.new.click()
    dock.desk.painter.go_to(SliceView(0, side // 2))
    result: dict[str, float | int] = {"side": side, "strokes": strokes}
    annotation = dock.desk.link.annotation
    own = viewer.window._qt_viewer.canvas
    settle(1.0)
    result |= timed("alone", [annotation], [own], strokes)
    dock.paint.planes.click()
    settle(1.0)
    twins = [m.twin_of(annotation).layer for m in dock.planes.mirrors]
    canvases = [own, *(view.canvas for view in dock.planes._views)]
    result |= timed("three", [annotation, *twins], canvases, strokes)
    dock.close()
    viewer.close()
    return result


def timed(name: str, layers: list, canvases: list, strokes: int) -> dict[str, float]:
    """Paint in one layer after the other, near the middle, and let canvases draw."""
    random = np.random.default_rng(1)
    middle = np.array(layers[0].data.shape) // 2
    drawn, shown = [], []
    busy: dict[str, list[float]] = {"layers_busy": [], "draw_busy": [], "same_busy": []}
    for number in range(strokes):
        place = middle + random.integers(-5, 6, 3)
        place[number % len(layers)] = middle[number % len(layers)]
        start, worked = time.perf_counter(), time.thread_time()
        layers[number % len(layers)].paint(tuple(place), 1 + number % 2)
        drawn.append(1e3 * (time.perf_counter() - start))
        busy["layers_busy"].append(1e3 * (time.thread_time() - worked))
        busy["draw_busy"].append(drawing(canvases))
        shown.append(1e3 * (time.perf_counter() - start))
        busy["same_busy"].append(drawing(canvases))
    result = {
        f"{name}_{what}_ms_median": round(float(np.median(times)), 1)
        for what, times in busy.items()
    }
    for what, times in (("layers_ms", drawn), ("canvases_ms", shown)):
        low, high = np.percentile(times, (50, 99))
        result[f"{name}_{what}_median"] = round(float(low), 1)
        result[f"{name}_{what}_99"] = round(float(high), 1)
    return result


def drawing(canvases: list) -> float:
    """Draw canvases; return the milliseconds that Qt's thread worked."""
    worked = time.thread_time()
    for canvas in canvases:
        canvas.native.update()
    QApplication.processEvents()
    return 1e3 * (time.thread_time() - worked)


def settle(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--strokes", type=int, default=120)
    parser.add_argument("-o", dest="output", type=Path)
    arguments = parser.parse_args()
    result = measured(arguments.side, arguments.strokes)
    print(json.dumps(result, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
