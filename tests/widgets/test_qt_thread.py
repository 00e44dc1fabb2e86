"""What takes long never runs in Qt's thread: spies say where it ran."""

import threading

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data.files import write_labels
from sparseseg.data.volume import Volume
from sparseseg.session.events import Phase
from sparseseg.widgets import batch_dock, clean_panel, endings, image_panel, machine
from sparseseg.widgets.batch_dock import BatchDock
from sparseseg.widgets.dock import SegmentationDock

HEAVY = {
    "asking for a GPU": (machine, "_nvidia_gigabytes"),
    "reading a result": (batch_dock, "read"),
    "looking at all voxels": (image_panel, "grey_values"),
    "cleaning up": (clean_panel, "clean"),
    "counting a prediction": (endings, "predicted_words"),
}


@pytest.fixture
def places(monkeypatch) -> dict[str, list[bool]]:
    """Where each heavy function ran: whether that was in Qt's thread."""
    places: dict[str, list[bool]] = {name: [] for name in HEAVY}

    def spy(name: str, real):
        def spying(*values, **named):
            is_main = threading.current_thread() is threading.main_thread()
            places[name].append(is_main)
            return real(*values, **named)

        return spying

    for name, (module, function) in HEAVY.items():
        monkeypatch.setattr(module, function, spy(name, getattr(module, function)))
    return places


def test_a_way_through_the_window_never_waits_for_heavy_work(
    places, viewer, image, session, qtbot
):
    column = SegmentationDock(viewer, session=session)
    qtbot.addWidget(column)
    column.classes.new.click()
    session.becomes(Phase.PREDICTING)
    session.paints(Box.whole(session.arrays.prediction.shape), 0)
    session.arrays.prediction[1:4, 2:9, 2:9] = 1
    session.becomes(Phase.IDLE)
    column.clean.rules.setPlainText("keep 1 largest of 1")
    column.clean.apply.click()
    qtbot.waitUntil(column.clean.apply.isEnabled)

    met = [name for name in HEAVY if name != "reading a result"]
    qtbot.waitUntil(lambda: all(places[name] for name in met))

    assert not [name for name in met if any(places[name])]
    column.close()


def test_a_result_of_a_batch_is_read_in_a_thread(places, viewer, qtbot, tmp_path):
    panel = BatchDock(viewer)
    qtbot.addWidget(panel)
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1] = 1
    path = str(tmp_path / "a.tif")
    write_labels(path, labels, Volume.from_array(labels))
    told = {"name": "a", "state": "done", "done": 1.0, "seconds": 1.0, "count": 1}
    told |= {"error": "", "note": "", "seconds_left": None}
    panel._show(told | {"image": path, "prediction": path})
    panel.table.selectRow(0)

    with qtbot.waitSignal(panel._reading.done, timeout=30_000):
        panel.open.click()

    assert places["reading a result"] == [False, False]
    assert [layer.name for layer in viewer.layers] == ["a", "a prediction"]


def test_the_spies_know_qt_s_thread(places):
    machine._nvidia_gigabytes()

    assert places["asking for a GPU"] == [True]
