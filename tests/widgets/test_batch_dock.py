"""The dock of a batch, with the very command in a process."""

import dataclasses
from typing import get_args

import pytest

from sparseseg.batch.settings import BatchSettings
from sparseseg.classes import ClassTable
from sparseseg.data.files import read
from sparseseg.errors import UserError
from sparseseg.language import say, speaking
from sparseseg.reporting.entry import State
from sparseseg.widgets import batch_dock
from sparseseg.widgets.batch_dock import BatchDock
from sparseseg.widgets.layer_kinds import CLASSES
from tests.models.paths import V2, image


@pytest.fixture
def dock(qtbot, viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))
    dock = BatchDock(viewer)
    qtbot.addWidget(dock)
    return dock


def filled(dock, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.nii.gz").write_bytes(image(1).read_bytes())
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"broken")
    dock.form.model.setEditText(str(V2))
    dock.form.folder.setText(str(tmp_path / "in"))
    dock.form.output.setText(str(tmp_path / "out"))


def cell(dock, row, column):
    return dock.table.item(row, column).text()


def test_what_is_missing_is_asked_for(dock):
    with pytest.raises(UserError, match="choose the model first"):
        dock.form.settings()
    dock.start.click()
    assert "choose the model first" in dock.messages.texts[0]
    assert not dock.command.is_running


def test_all_that_the_command_takes_can_be_chosen(dock):
    form = dock.form
    for name in ("folder", "output", "truth", "scheduler"):
        getattr(form, name).setText(name)
    form.model.setEditText("model")
    form.pattern.setText("*.tif")
    form.memory.setText("2GB")
    form.ending.setCurrentIndex(form.ending.findData(".nrrd"))
    form.device.setEditText("cpu")
    form.uncertainty.setChecked(True)
    form.anew.setChecked(True)
    form.times.setChecked(True)
    form.clean.setPlainText("keep 1 largest of 1\n\n")
    form.options.setText("mirror=false views=z")
    plain = form.settings().to_json()
    changed = {
        field.name
        for field in dataclasses.fields(BatchSettings)
        if field.default != plain[field.name]
    }
    assert changed == {field.name for field in dataclasses.fields(BatchSettings)}
    assert plain["options"] == {"mirror": "false", "views": "z"}
    assert plain["clean"] == ["keep 1 largest of 1"]
    assert "Dask" in form.scheduler.toolTip()
    form.options.setText("mirror")
    with pytest.raises(UserError, match="NAME=VALUE"):
        form.settings()


def test_a_volume_selected_at_work_can_be_opened_when_it_is_done(dock):
    told = {"name": "a", "state": "running", "done": 0.5, "seconds": 1.0, "count": 1}
    told |= {"error": "", "note": "", "seconds_left": 1.0}
    dock._show(told)
    dock.table.selectRow(0)
    assert not dock.open.isEnabled()
    dock._show(told | {"state": "done", "done": 1.0})
    assert dock.open.isEnabled()


def test_states_are_told_in_the_language_of_the_person(dock, monkeypatch):
    with speaking("zh_CN"):
        words = {state: say(state) for state in get_args(State)}
    assert not set(words) & set(words.values())
    monkeypatch.setattr(batch_dock, "_STATES", words)
    told = {"name": "a", "state": "failed", "done": 0.5, "seconds": 1.0, "count": 1}
    dock._show(told | {"error": "", "note": "", "seconds_left": 1.0})
    assert cell(dock, 0, 1) == "失败"


def test_the_end_tells_of_failed_volumes_and_not_of_the_last_line_on_stderr(dock):
    told = {"name": "a", "state": "done", "done": 1.0, "seconds": 1.0, "count": 2}
    rest = {"error": "", "note": "", "seconds_left": None}
    dock._show({**told, **rest})
    dock._show({**told, **rest, "name": "b", "state": "failed", "error": "is broken"})
    dock._show_end("2 volumes, 0.0 GB on disk")
    assert "1 volume failed" in dock.messages.texts[0]
    # A batch that broke off before its last volume says why.
    dock._show({**told, **rest, "name": "a", "state": "running"})
    dock._show_end("the disk is full")
    assert "the disk is full" in dock.messages.texts[0].lower()


@pytest.mark.slow
def test_a_folder_is_predicted_and_a_result_opened(dock, qtbot, tmp_path, viewer):
    filled(dock, tmp_path)
    with qtbot.waitSignal(dock.command.ended, timeout=90_000):
        dock.start.click()
        assert dock.cancel.isEnabled()
    assert [cell(dock, 0, 1), cell(dock, 1, 1)] == ["failed", "done"]
    assert "some other kind of file" in cell(dock, 0, 4)
    assert dock.report.isEnabled()
    assert "1 volume failed: its note says why" in dock.messages.texts[0]
    dock.table.selectRow(0)
    assert not dock.open.isEnabled()
    dock.table.selectRow(1)
    with qtbot.waitSignal(dock._reading.done, timeout=30_000):
        dock.open.click()
    labels = viewer.layers["b.nii.gz prediction"]
    assert labels.data.shape == read(image(1)).shape
    assert tuple(labels.scale) == pytest.approx(read(image(1)).spacing)
    names = ClassTable.from_json(labels.metadata[CLASSES]).names
    assert names == ("liver", "tumor")
    assert not labels.editable


@pytest.mark.slow
def test_a_cancelled_batch_goes_on_at_the_next_start(dock, qtbot, tmp_path):
    filled(dock, tmp_path)
    dock.start.click()
    with qtbot.waitSignal(dock.command.ended, timeout=30_000):
        dock.cancel.click()
    assert dock.start.isEnabled()
    with qtbot.waitSignal(dock.command.ended, timeout=90_000):
        dock.start.click()
    assert (tmp_path / "out" / "b.nii.gz").is_file()
