"""Objects in the window: found, measured, saved, and taken back."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from sparseseg.data.files import read_dense
from sparseseg.widgets.file_facts import FACTS, FileFacts
from sparseseg.widgets.layer_kinds import OBJECTS
from sparseseg.widgets.objects_panel import ObjectsPanel
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.stepwise import Stepwise

NAME = f"cells {OBJECTS}"


@pytest.fixture
def panel(qtbot, opened, messages):
    panel = ObjectsPanel(opened, messages)
    qtbot.addWidget(panel)
    yield panel
    panel.close()


@pytest.fixture
def predicted(opened):
    """Two cubes of class 1 that are apart."""
    opened.results.show()
    prediction = opened.link.arrays.prediction
    prediction[1:4, 2:6, 2:6], prediction[1:4, 10:13, 10:13] = 1, 1
    return prediction


def press(qtbot, panel, button):
    button.click()
    qtbot.waitUntil(panel.find.isEnabled)


def parts(panel):
    panel.form.method.setCurrentIndex(panel.form.method.findData("parts"))


def test_objects_are_a_layer_of_their_own_and_undo_takes_them_back(
    qtbot, panel, predicted, viewer, messages
):
    parts(panel)
    press(qtbot, panel, panel.find)
    assert sorted(np.unique(viewer.layers[NAME].data)) == [0, 1, 2]
    assert messages.texts[0].startswith("2 objects were found")

    panel.form.smallest.setValue(1e9)
    first = viewer.layers[NAME]
    press(qtbot, panel, panel.find)
    assert viewer.layers[NAME].data.max() == 0
    messages.cards[0].button.click()
    assert viewer.layers[NAME] is first


def test_a_row_of_the_table_leads_to_its_object(qtbot, panel, predicted, viewer):
    parts(panel)
    press(qtbot, panel, panel.find)
    press(qtbot, panel, panel.measure)
    layer = viewer.layers[NAME]
    assert list(layer.features["index"]) == [1, 2]
    # 3 x 4 x 4 voxels, and 3 x 3 x 3.
    assert sorted(layer.features["voxels"]) == [27, 48]

    model = panel.table.view.model()
    column = list(layer.features.columns[1:]).index("voxels")
    model.sort(column)
    assert model.data(model.index(0, column)) == "27"
    heads = [model.headerData(n, Qt.Orientation.Horizontal) for n in range(5)]
    assert heads[3].startswith("volume (")
    panel.table.view.setCurrentIndex(model.index(0, 0))
    small = int(layer.features["object"][layer.features["voxels"] == 27].iloc[0])
    assert layer.selected_label == small
    assert layer.world_to_data(viewer.dims.point)[0] == pytest.approx(2)


def test_objects_keep_their_classes_while_another_image_is_chosen(
    qtbot, panel, predicted, opened, viewer, image
):
    parts(panel)
    press(qtbot, panel, panel.find)
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    opened.link.annotate()
    opened.results.show()
    opened.link.arrays.prediction[0, 2:9, 2:9] = 2
    opened.state_changed.emit(opened.state)
    press(qtbot, panel, panel.find)

    opened.link.choose(image)
    press(qtbot, panel, panel.measure)
    assert list(panel.table.found.columns["class"]) == [1, 1]


def test_a_row_brings_its_object_into_the_canvas_across_any_axis(
    qtbot, panel, predicted, opened, viewer
):
    parts(panel)
    press(qtbot, panel, panel.find)
    opened.painter.turn_to(2)
    opened.link.annotation.corner_pixels = np.zeros((2, 3), int)
    panel._go_to(1, 2.0, 3.0, 11.4)
    assert opened.painter.view == SliceView(2, 11)
    assert viewer.scene.camera.center == pytest.approx((0.0, 11.0, 0.75))


def test_the_file_of_the_image_is_not_replaced(
    qtbot, panel, predicted, opened, image, tmp_path, monkeypatch, messages
):
    parts(panel)
    press(qtbot, panel, panel.find)
    path = tmp_path / "cells.tif"
    path.write_bytes(b"image")
    image.metadata[FACTS] = FileFacts.of(opened.link.volume, path)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    press(qtbot, panel, panel.save)
    assert "is an input" in messages.texts[0]
    assert path.read_bytes() == b"image"


def test_undo_brings_back_the_measurements_of_before(
    qtbot, panel, predicted, viewer, messages
):
    parts(panel)
    press(qtbot, panel, panel.find)
    press(qtbot, panel, panel.measure)
    layer, first = viewer.layers[NAME], panel.table.found
    layer.data[layer.data == 2] = 1
    press(qtbot, panel, panel.measure)
    assert list(layer.features["index"]) == [1]

    messages.cards[0].button.click()
    assert list(layer.features["index"]) == [1, 2]
    assert panel.table.found is first


def test_objects_and_surfaces_become_files(
    qtbot, panel, predicted, tmp_path, monkeypatch, messages
):
    pytest.importorskip("trimesh")
    parts(panel)
    press(qtbot, panel, panel.find)
    path = str(tmp_path / "objects.tif")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    press(qtbot, panel, panel.save)
    assert read_dense(path).array.max() == 2

    folder = str(tmp_path)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: folder)
    press(qtbot, panel, panel.mesh)
    assert [p.name for p in tmp_path.glob("*.stl")] == ["001-class_1.stl"]
    messages.cards[0].button.click()  # Undo
    assert not list(tmp_path.glob("*.stl"))
    assert read_dense(path).array.max() == 2


def test_a_file_that_was_replaced_cannot_be_taken_back(
    qtbot, panel, predicted, tmp_path, monkeypatch, messages
):
    parts(panel)
    press(qtbot, panel, panel.find)
    path = tmp_path / "objects.tif"
    path.write_bytes(b"older")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    press(qtbot, panel, panel.save)
    assert "saved" in messages.texts[0]
    assert not messages.cards[0].button.text()
    assert read_dense(path).array.max() == 2


def test_what_is_missing_is_told(qtbot, panel, opened, messages):
    assert not panel.find.isEnabled()
    opened.results.show()
    press(qtbot, panel, panel.find)
    assert "no prediction yet" in messages.texts[0]
    assert not panel.measure.isEnabled()
    assert "press Find objects first" in panel.measure.toolTip()


def test_work_that_is_cancelled_stops_at_its_next_step_and_is_silent(qtbot):
    begun, going_on, steps = threading.Event(), threading.Event(), []

    def work():
        yield 0.1
        begun.set()
        going_on.wait(10)
        steps.append("next")
        yield 0.2
        steps.append("too far")
        yield "result"

    worker = Stepwise("test")
    told = []
    worker.done.connect(told.append)
    worker.start(work)
    assert begun.wait(10)
    worker.cancel()
    going_on.set()
    worker.close()
    assert steps == ["next"]
    assert not told


def test_the_bar_says_how_long_it_still_takes(panel):
    for share in (0.25, 0.5):
        panel._worker.progress.emit(share)
    assert panel.bar.value() == 50
    assert panel.bar.format().endswith("left")


def test_progress_and_the_last_step_are_told(qtbot):
    worker = Stepwise("test")
    shares = []
    worker.progress.connect(shares.append)
    with qtbot.waitSignal(worker.done) as found:
        worker.start(lambda: iter([0.5, "first", 1.0, "last"]))
    assert found.args == ["last"]
    assert shares == [0.5, 1.0]
    worker.close()
