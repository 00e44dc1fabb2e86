"""One model over two images, in a real window with the real training process."""

import psutil
import pytest
from qtpy.QtWidgets import QMessageBox

from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.session.events import Phase
from sparseseg.widgets.dock import SegmentationDock

SHAPE = (16, 32, 32)
PATIENCE_MS = 120_000


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    for seed, name in enumerate("ab"):
        sample = blobs(SHAPE, classes=1, seed=seed)
        viewer.add_image(sample.volume.array[0], name=name, scale=(2, 1, 1))
    viewer.add_labels(blobs(SHAPE, classes=1).annotation, name="painted")
    return viewer


@pytest.fixture
def dock(viewer) -> SegmentationDock:
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock, name="Sparse segmentation")
    return dock


@pytest.mark.slow
def test_what_was_learned_on_one_image_is_used_on_another(
    dock, viewer, qtbot, tmp_path, monkeypatch
):
    session = dock.desk.session
    dock.image.choice.setCurrentText("a")
    viewer.layers.selection.active = viewer.layers["painted"]
    dock.classes.use.click()
    qtbot.waitUntil(dock.train.train.isEnabled)

    dock.train.train.click()
    qtbot.waitUntil(lambda: dock.train.newest_step is not None, timeout=PATIENCE_MS)
    dock.train.stop.click()
    qtbot.waitUntil(lambda: session.phase is Phase.IDLE, timeout=PATIENCE_MS)
    assert session.has_model
    assert "step" in dock.train.status.text()

    dock.image.choice.setCurrentText("b")
    assert "step" not in dock.train.status.text()
    before = viewer.layers["a prediction"].data.copy()
    dock.result.predict.click()
    qtbot.waitUntil(lambda: session.phase is not Phase.IDLE, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: session.phase is Phase.IDLE, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "'b' is predicted" in dock.messages.texts[0])
    assert viewer.layers["b uncertainty"].data.any()
    assert (viewer.layers["a prediction"].data == before).all()

    session.save(tmp_path / "m.safetensors")
    qtbot.waitUntil(lambda: session.is_saved, timeout=PATIENCE_MS)
    assert Model.load(tmp_path / "m.safetensors").table.numbers == (1,)

    monkeypatch.setattr(QMessageBox, "question", _not_asked)
    dock.close()
    here = psutil.Process()
    assert not [p for p in here.children() if "sparseseg" in " ".join(p.cmdline())]


def _not_asked(*_: object) -> None:
    raise AssertionError("a saved model is not asked about")
