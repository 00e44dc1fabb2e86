"""A project in the window: what is painted is kept, and comes back as it was."""

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QFileDialog

from sparseseg.boxes import Box
from sparseseg.classes import ClassTable
from sparseseg.data.files import write_image
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.project.journal import Journal
from sparseseg.project.project import Project
from sparseseg.project.recorder import Recorder
from sparseseg.session.events import Phase, StepReport
from sparseseg.widgets import project_panel
from sparseseg.widgets.dock import SegmentationDock
from sparseseg.widgets.project_work import VolumeToSave, created, load
from sparseseg.widgets.slices import SliceView
from tests.widgets.conftest import SHAPE
from tests.widgets.fake_session import FakeSession

NEVER = 10_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def dock(viewer, image, session, qtbot) -> SegmentationDock:
    dock = SegmentationDock(viewer, session=session)
    qtbot.addWidget(dock)
    for timer in dock._timers:
        timer.setInterval(NEVER)  # the test looks when it means to
    yield dock
    dock.close()


@pytest.fixture
def saved(dock, folder, qtbot, monkeypatch) -> SegmentationDock:
    """A dock whose image, with an empty annotation, was saved as a project."""
    dock.classes.new.click()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    with qtbot.waitSignal(dock.desk.project.changed):
        dock.project.save.click()
    qtbot.waitUntil(lambda: bool(dock.desk.project.rows))
    return dock


def reopened(folder: Path, qtbot) -> tuple[SegmentationDock, ViewerModel]:
    viewer = ViewerModel()
    dock = SegmentationDock(viewer, session=FakeSession())
    qtbot.addWidget(dock)
    dock.desk.project.open(folder)
    qtbot.waitUntil(lambda: bool(dock.desk.project.rows))
    return dock, viewer


def settle(dock: SegmentationDock) -> None:
    """Wait until the thread of the journal has done what it was asked for."""
    QApplication.processEvents()
    dock.desk.project._keeper.ask(lambda _: None).result()


def stroke(dock: SegmentationDock, z: int, value: int = 1) -> None:
    """Paint with napari's own brush, and wait until that is written."""
    layer = dock.desk.link.annotation
    layer.mode = "paint"
    layer.paint((z, 10, 10), value)
    settle(dock)


def kept(folder: Path, name: str = "cells") -> np.ndarray:
    reader = Journal(folder / "journal.sqlite", read_only=True)
    try:
        return reader.annotation(name)
    finally:
        reader.close()


def test_saving_makes_a_project_with_the_image_and_then_keeps_every_stroke(
    saved, folder
):
    stroke(saved, 2)
    array = saved.desk.link.arrays.annotation
    assert array.any()
    assert (kept(folder) == array).all()
    assert saved.project.save.isHidden()
    assert saved.project.volumes.item(0, 0).text() == "cells"


def test_a_change_without_an_event_is_kept_by_the_next_look(saved, folder):
    array = saved.desk.link.arrays.annotation
    array[4, 3:9, 3:9] = 1
    saved.desk.look()
    settle(saved)
    assert (kept(folder) == array).all()


def test_a_project_opens_again_as_it_was(saved, folder, viewer, qtbot):
    saved.desk.classes.rename(1, "nucleus")
    saved.desk.classes.add()
    stroke(saved, 2)
    stroke(saved, 5, value=2)
    saved.clean.rules.setPlainText("fill holes of 1")
    # What Apply does as well; it waits for a prediction.
    saved.desk.project.keep_rules(saved.clean.lines)
    saved.desk.painter.go_to(SliceView(2, 17))
    array = saved.desk.link.arrays.annotation.copy()
    voxels = np.asarray(viewer.layers["cells"].data)
    saved.close()

    dock, again = reopened(folder, qtbot)
    assert (dock.desk.link.arrays.annotation == array).all()
    assert (np.asarray(again.layers["cells"].data) == voxels).all()
    assert tuple(again.layers["cells"].scale) == (0.5, 0.25, 0.25)
    assert dock.desk.classes.table.names == ("nucleus", "class 2")
    assert dock.clean.lines == ("fill holes of 1",)
    assert dock.desk.painter.view == SliceView(2, 17)
    dock.close()


def test_undo_goes_on_across_slices_and_a_restart(saved, folder, qtbot):
    stages = [saved.desk.link.arrays.annotation.copy()]
    for z in (1, 3, 4):
        stroke(saved, z)
        stages.append(saved.desk.link.arrays.annotation.copy())
    saved.project.undo.click()
    settle(saved)
    assert (saved.desk.link.arrays.annotation == stages[2]).all()
    saved.close()

    dock, _ = reopened(folder, qtbot)
    for stage in (stages[1], stages[0]):
        with qtbot.waitSignal(dock.desk.project.told):
            dock.project.undo.click()
        assert (dock.desk.link.arrays.annotation == stage).all()
    assert dock.desk.painter.view == SliceView(0, 1)
    for stage in stages[1:]:
        with qtbot.waitSignal(dock.desk.project.told):
            dock.project.redo.click()
        assert (dock.desk.link.arrays.annotation == stage).all()
    with qtbot.waitSignal(dock.desk.project.told):
        dock.project.redo.click()
    assert dock.messages.texts[0] == "There is nothing to redo."
    assert dock.messages.cards[0].level == "note"
    dock.close()


def test_strokes_before_the_project_was_saved_are_undone_after_a_restart(
    dock, folder, qtbot, monkeypatch
):
    dock.classes.new.click()
    layer = dock.desk.link.annotation
    array = dock.desk.link.arrays.annotation
    dock.desk.history._keeper.ask(lambda _: None).result()  # it has seen the beginning
    stages = [array.copy()]
    for z in (1, 3):
        layer.mode = "paint"
        layer.paint((z, 10, 10), 1)
        QApplication.processEvents()
        dock.desk.history._keeper.ask(lambda _: None).result()
        stages.append(array.copy())
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    with qtbot.waitSignal(dock.desk.project.changed):
        dock.project.save.click()
    qtbot.waitUntil(lambda: bool(dock.desk.project.rows))
    dock.close()

    with Project(folder, read_only=True) as project:
        assert (project.journal.replay("cells") == stages[2]).all()
        tools = [entry.tool for entry in project.journal.entries()]
    assert tools == ["brush", "brush"]
    again, _ = reopened(folder, qtbot)
    for stage in (stages[1], stages[0]):
        with qtbot.waitSignal(again.desk.project.told):
            again.project.undo.click()
        assert (again.desk.link.arrays.annotation == stage).all()
    again.close()


def test_the_undo_key_of_the_layer_is_the_project_s(saved, qtbot):
    stroke(saved, 2)
    layer = saved.desk.link.annotation
    (undo,) = [act for key, act in layer.keymap.items() if str(key) == "Ctrl+Z"]
    with qtbot.waitSignal(saved.desk.project.told):
        undo(layer)
    assert not saved.desk.link.arrays.annotation.any()


def test_the_journal_says_with_which_tool(saved, folder):
    stroke(saved, 2)
    saved.desk.link.annotation.mode = "erase"
    saved.desk.link.annotation.paint((2, 10, 10), 0)
    settle(saved)
    saved.desk.painter.go_to(SliceView(0, 3))
    saved.paint.fill.click()
    settle(saved)
    saved.desk.link.arrays.prediction[4] = 1
    saved.desk.painter.go_to(SliceView(0, 4))
    saved.desk.filling.predicted(lambda _: None)
    settle(saved)
    saved.desk.link.arrays.annotation[5] = 1
    saved.desk.look()
    settle(saved)
    entries = Journal(folder / "journal.sqlite", read_only=True).entries("cells")
    assert [entry.tool for entry in entries] == [
        *("brush", "eraser", "fill", "prediction", "script")
    ]


def test_a_second_window_on_the_same_project_is_told_who_has_it(saved, folder, qtbot):
    dock = SegmentationDock(ViewerModel(), session=FakeSession())
    qtbot.addWidget(dock)
    with qtbot.waitSignal(dock.desk.project.failed):
        dock.desk.project.open(folder)
    assert "is open: " in dock.messages.texts[0]
    assert dock.desk.project.folder is None
    dock.close()


def test_an_image_that_is_opened_later_joins_the_project(saved, viewer, folder, qtbot):
    viewer.add_image(np.random.default_rng(0).random((4, 12, 14)), name="more")
    saved.image.choice.setCurrentText("more")
    saved.classes.new.click()
    qtbot.waitUntil(lambda: len(saved.desk.project.rows) == 2)
    stroke_of_more = saved.desk.link.arrays.annotation
    stroke_of_more[1, 2:5] = 1
    saved.desk.look()
    settle(saved)
    assert (kept(folder, "more") == stroke_of_more).all()


def test_an_image_whose_name_no_file_can_have_is_saved_under_a_plain_one(
    dock, image, folder, qtbot, monkeypatch
):
    image.name = "Image:0 :: file"
    dock.classes.new.click()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    dock.project.save.click()
    qtbot.waitUntil(lambda: dock.desk.project.current == "Image-0-file")
    stroke(dock, 2)
    assert kept(folder, "Image-0-file")[2].any()


def test_an_image_that_could_not_be_added_is_tried_again(
    saved, viewer, qtbot, monkeypatch
):
    project, link = saved.desk.project, saved.desk.link

    def failing(*_arguments, **_named):
        raise UserError("no space is left")

    with monkeypatch.context() as patch:
        patch.setattr(Project, "add_volume", failing)
        link.choose(viewer.add_image(np.ones(SHAPE, np.uint8), name="second"))
        with qtbot.waitSignal(project.failed):
            link.annotate()
    second = link.image
    link.choose(viewer.layers["cells"])
    link.choose(second)
    qtbot.waitUntil(lambda: project.current == "second")


def test_a_volume_that_is_open_is_gone_to_and_not_opened_again(
    saved, viewer, folder, qtbot
):
    link, project = saved.desk.link, saved.desk.project
    first = link.image
    second = viewer.add_image(np.ones(SHAPE, np.uint8), name="second")
    link.choose(second)
    saved.classes.new.click()
    qtbot.waitUntil(lambda: project.current == "second")
    layers = list(viewer.layers)

    project.show("cells")

    assert project.current == "cells"
    assert link.image is first
    assert list(viewer.layers) == layers
    assert first.visible  # and nothing lies over it
    assert not second.visible
    stroke(saved, 3)
    assert kept(folder)[3].any()


@pytest.fixture
def two(folder, tmp_path, qtbot) -> SegmentationDock:
    """A dock on a project with two volumes, of which the second is annotated."""
    with Project.new(folder) as project:
        for name in ("a", "b"):
            # Not the same in each test: a volume that is gone is looked for all around.
            array = np.random.default_rng().random(SHAPE).astype(np.float32)
            volume = Volume.from_array(array)
            write_image(tmp_path / f"{name}.tif", volume.array, like=volume)
            project.add(tmp_path / f"{name}.tif")
        labels = np.zeros(SHAPE, np.uint8)
        recorder = Recorder(project.journal, "b", labels)
        labels[3] = 1
        recorder.record("script")
    dock, _ = reopened(folder, qtbot)
    yield dock
    dock.close()


def test_one_click_goes_to_another_volume_and_gives_back_the_one_before(two, qtbot):
    project, viewer = two.desk.project, two.desk.viewer
    assert project.current == "a"
    two.desk.link.arrays.annotation[1, 2:6] = 2
    two.project.volumes.selectRow(1)
    qtbot.waitUntil(lambda: project.current == "b")
    assert (two.desk.link.arrays.annotation[3] == 1).all()
    assert [layer.name for layer in viewer.layers if layer.name.startswith("a")] == []
    assert two.desk.session.called("let_go") == 1
    assert not [text for text in two.messages.texts if "removed" in text]
    two.project.volumes.selectRow(0)
    qtbot.waitUntil(lambda: project.current == "a")
    assert (two.desk.link.arrays.annotation[1, 2:6] == 2).all()


def test_undo_of_another_volume_is_said_and_done(two, folder, qtbot):
    with qtbot.waitSignal(two.desk.project.told) as told:
        two.project.undo.click()
    assert told.args == ["script on slice z 3 of 'b' was undone."]
    assert not kept(folder, "b").any()


def test_training_learns_from_all_annotated_volumes(two, folder):
    two.desk.link.arrays.annotation[1] = 1
    two.desk.look()
    two.train.train.click()
    others = two.desk.session.others
    assert (others.folder, others.names) == (folder, ("b",))
    two.desk.session.becomes(Phase.IDLE)
    two.train.all_volumes.setChecked(False)
    two.train.train.click()
    assert two.desk.session.others is None


def test_a_trained_model_goes_into_the_project(saved, folder, session, qtbot):
    session.becomes(Phase.TRAINING)
    session.learns()
    session.events.step.emit(StepReport(2, 2.0, 0.25))
    session.becomes(Phase.IDLE)
    path = folder / "models" / "model-001.safetensors"
    qtbot.waitUntil(lambda: session.called("save") == 1)
    assert ("save", path) in session.calls
    qtbot.waitUntil(lambda: path.with_suffix(".json").exists())
    text = path.with_suffix(".json").read_text()
    assert "[2.0, 0.25]" in text
    assert '"volumes": ["cells"]' in text


def test_a_volume_that_is_gone_is_named_and_the_others_open(
    two, folder, tmp_path, qtbot, monkeypatch
):
    two.close()
    (tmp_path / "a.tif").unlink()
    dock, _ = reopened(folder, qtbot)
    assert "the image of 'a' is gone" in " ".join(dock.messages.texts)
    assert dock.desk.project.current == "b"
    assert dock.project.volumes.item(0, 0).text() == "a (gone)"
    monkeypatch.setitem(project_panel._STATES, "gone", "已丢失")
    dock.project._show()
    assert dock.project.volumes.item(0, 0).text() == "a (已丢失)"
    dock.close()


def test_the_volumes_of_the_project_before_go_when_another_is_opened(
    saved, folder, viewer, tmp_path, qtbot
):
    stroke(saved, 2)
    other = tmp_path / "other"
    with Project.new(other) as project:
        array = np.random.default_rng().random((4, 12, 14)).astype(np.float32)
        project.add_volume(Volume.from_array(array, name="else"))
    link, project = saved.desk.link, saved.desk.project

    project.open(other)
    stroke(saved, 4)  # meanwhile the project before keeps what is painted
    qtbot.waitUntil(lambda: project.current == "else")

    assert [seat.name for seat in link.seats] == ["else"]
    assert {layer.name for layer in viewer.layers} == {"else", "else annotation"}
    assert kept(folder)[2].any()
    assert kept(folder)[4].any()


def test_a_folder_that_cannot_be_opened_leaves_the_project_that_is_open(
    saved, folder, tmp_path, qtbot
):
    project, rows = saved.desk.project, saved.desk.project.rows
    damaged = tmp_path / "damaged"
    Project.new(damaged).close()
    (damaged / "journal.sqlite").unlink()
    for wrong, words in ((tmp_path, "is no project"), (damaged, "is missing")):
        with qtbot.waitSignal(project.failed):
            project.open(wrong)
        assert words in saved.messages.texts[0]
        assert (project.folder, project.rows) == (folder, rows)
    stroke(saved, 3)
    assert kept(folder)[3].any()


def test_a_training_that_began_meanwhile_keeps_the_project_that_is_open(
    saved, session, folder, tmp_path, qtbot
):
    other = tmp_path / "other"
    Project.new(other).close()
    with qtbot.waitSignal(saved.desk.project.failed):
        saved.desk.project.open(other)
        session.becomes(Phase.TRAINING)
    assert "press Stop" in saved.messages.texts[0]
    assert saved.desk.project.folder == folder
    Project(other).close()  # is free again


def test_the_project_that_is_open_is_not_opened_a_second_time(saved, folder):
    saved.desk.project.open(folder)
    assert "is open already" in saved.messages.texts[0]
    assert saved.desk.project.folder == folder


def test_a_folder_that_is_no_project_is_told(dock, tmp_path, qtbot):
    with qtbot.waitSignal(dock.desk.project.failed):
        dock.desk.project.open(tmp_path)
    assert "is no project" in dock.messages.texts[0]


def test_nothing_of_a_project_is_read_or_written_in_qt_s_thread(
    saved, folder, qtbot, monkeypatch
):
    places: list[bool] = []

    def spy(real):
        def spying(*values, **named):
            places.append(threading.current_thread() is threading.main_thread())
            return real(*values, **named)

        return spying

    for kind, name in (
        (Recorder, "record"),
        (Journal, "annotation"),
        (Project, "info"),
    ):
        monkeypatch.setattr(kind, name, spy(getattr(kind, name)))
    stroke(saved, 2)
    saved.project.undo.click()
    settle(saved)
    saved.desk.project.refresh()
    settle(saved)
    assert places
    assert not any(places)


def test_that_a_volume_was_moved_is_told(two, folder, tmp_path, qtbot):
    two.close()
    (tmp_path / "a.tif").rename(tmp_path / "z.tif")
    dock, _ = reopened(folder, qtbot)
    assert "the image of 'a' was moved" in " ".join(dock.messages.texts)
    assert dock.desk.project.current == "a"
    dock.close()


def test_a_locked_slice_is_left_alone_by_napari_s_brush_and_that_is_said(saved, qtbot):
    stroke(saved, 2)
    before = saved.desk.link.arrays.annotation.copy()
    saved.desk.painter.go_to(SliceView(0, 2))
    with qtbot.waitSignal(saved.desk.project.changed):
        saved.locks.slice.click()
    assert saved.locks.slice.text() == "Unlock slice"
    assert saved.locks.locked.text() == "Locked: z 2"
    with qtbot.waitSignal(saved.desk.project.told) as told:
        saved.desk.link.annotation.paint((2, 20, 20), 1)
    assert "stay as they were: slice z 2 is locked" in told.args[0]
    assert (saved.desk.link.arrays.annotation == before).all()
    saved.paint.fill.click()
    settle(saved)
    assert (saved.desk.link.arrays.annotation == before).all()
    with qtbot.waitSignal(saved.desk.project.changed):
        saved.locks.slice.click()
    stroke(saved, 2, value=2)
    assert (saved.desk.link.arrays.annotation != before).any()


def test_a_locked_class_is_kept_by_the_brush_of_another(saved, qtbot):
    saved.desk.classes.add()
    stroke(saved, 2)
    saved.desk.painter.select(1)
    with qtbot.waitSignal(saved.desk.project.changed):
        saved.locks.label.click()
    assert saved.locks.label.text() == "Unlock class"
    painted = saved.desk.link.arrays.annotation == 1
    with qtbot.waitSignal(saved.desk.project.told):
        saved.desk.link.annotation.paint((2, 11, 11), 2)
    assert ((saved.desk.link.arrays.annotation == 1) == painted).all()


def test_the_brush_replaces_only_what_is_chosen(saved):
    saved.desk.classes.add()
    stroke(saved, 2)
    painted = saved.desk.link.arrays.annotation == 1
    saved.locks.over.choose(frozenset({0}))
    stroke(saved, 2, value=2)
    assert ((saved.desk.link.arrays.annotation == 1) == painted).all()
    saved.locks.over.choose(None)
    stroke(saved, 2, value=2)
    assert not (saved.desk.link.arrays.annotation == 1).any()


def test_what_the_brush_may_replace_is_one_choice_for_all_volumes(saved, viewer, qtbot):
    saved.desk.classes.add()
    stroke(saved, 2)
    painted = saved.desk.link.arrays.annotation == 1
    saved.desk.link.choose(viewer.add_image(np.ones(SHAPE, np.uint8), name="second"))
    saved.classes.new.click()
    qtbot.waitUntil(lambda: saved.desk.project.current == "second")
    saved.locks.over.choose(frozenset({0}))
    saved.desk.project.show("cells")
    stroke(saved, 2, value=2)
    assert ((saved.desk.link.arrays.annotation == 1) == painted).all()


def test_locks_are_shown_with_a_project_only(dock):
    assert dock.locks.isHidden()


def test_what_is_locked_has_a_padlock_in_table_and_strip(saved, qtbot):
    saved.desk.painter.go_to(SliceView(0, 2))
    for button in (saved.locks.slice, saved.locks.label):
        with qtbot.waitSignal(saved.desk.project.changed):
            button.click()
    assert not saved.classes.table.item(0, 1).icon().isNull()
    assert saved.classes.table.item(1, 1).icon().isNull()
    assert saved.paint.ledger.visible.text().endswith(", locked")
    saved.desk.painter.go_to(SliceView(0, 3))
    assert not saved.paint.ledger.visible.text().endswith(", locked")


def test_any_set_of_values_can_be_chosen_for_the_brush(saved):
    over = saved.locks.over
    for number in (2, 3):
        saved.desk.classes.add()
        stroke(saved, number, value=number)
    assert over.text() == "everything"
    for number in (0, 1, 255):
        over.boxes[number].click()
    assert over.text() == "only class 2, class 3"
    saved.desk.link.arrays.annotation[4] = 1
    saved.desk.look()
    settle(saved)
    before = saved.desk.link.arrays.annotation.copy()
    for z in (2, 3, 4, 5):
        stroke(saved, z, value=1)
    after = saved.desk.link.arrays.annotation
    assert not np.isin(after, (2, 3)).any()
    assert ((after == before) | np.isin(before, (2, 3))).all()


def test_a_class_that_is_gone_is_no_choice_for_the_brush_any_more(saved):
    over = saved.locks.over
    saved.desk.classes.add()
    over.choose(frozenset({2}))
    saved.desk.classes.remove(2, painted=0)
    assert (over.values, over.text()) == (frozenset({0}), "only unlabelled")


def test_a_saved_project_needs_no_recovery_copy(saved, home):
    stroke(saved, 2)
    saved.desk.save_annotation()
    saved.close()
    assert list((home / "recovery").glob("*.tif")) == []


def test_strokes_are_written_while_another_volume_is_read(two, folder, monkeypatch):
    reading, may_go_on = threading.Event(), threading.Event()

    def slow(*_arguments, **_named):
        reading.set()
        may_go_on.wait(20)
        raise UserError("not read")

    monkeypatch.setattr(Project, "volume", slow)
    two.desk.project.show("b")
    settle(two)
    QApplication.processEvents()
    assert reading.wait(20)
    stroke(two, 4)
    assert kept(folder, "a")[4].any()
    may_go_on.set()


def held(monkeypatch, kind: type, name: str) -> threading.Event:
    """Let a method wait until the event that is returned is set."""
    may_go_on, real = threading.Event(), getattr(kind, name)

    def slow(*values, **named):
        may_go_on.wait(20)
        return real(*values, **named)

    monkeypatch.setattr(kind, name, slow)
    return may_go_on


def test_a_second_press_of_save_waits_for_the_first(dock, folder, qtbot, monkeypatch):
    dock.classes.new.click()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(folder), ""))
    may_go_on = held(monkeypatch, Project, "add_volume")
    dock.project.save.click()
    dock.project.save.click()
    assert "still reads or writes a project" in dock.messages.texts[0]
    may_go_on.set()
    qtbot.waitUntil(lambda: dock.desk.project.folder == folder)


def test_a_volume_is_not_shown_while_the_report_is_written_and_that_is_said(
    two, tmp_path, qtbot, monkeypatch
):
    project, path = two.desk.project, tmp_path / "report.html"
    may_go_on = held(monkeypatch, Project, "volume")
    project.report(path)
    with qtbot.waitSignal(project.failed) as failed:
        project.show("b")
    assert "still reads or writes a project" in failed.args[0]
    with qtbot.waitSignal(project.reported):
        may_go_on.set()
    project.show("b")
    qtbot.waitUntil(lambda: project.current == "b")


def test_a_training_that_began_while_a_volume_was_read_goes_on(two, qtbot, monkeypatch):
    project, session = two.desk.project, two.desk.session
    may_go_on = held(monkeypatch, Project, "volume")
    project.show("b")
    session.becomes(Phase.TRAINING)
    with qtbot.waitSignal(project.failed) as failed:
        may_go_on.set()
    assert "press Stop" in failed.args[0]
    assert project.current == "a"


def test_the_image_that_is_chosen_is_not_covered_by_another_volume(
    saved, viewer, qtbot
):
    second = viewer.add_image(np.ones(SHAPE, np.uint8), name="second")
    saved.desk.link.choose(second)
    saved.classes.new.click()
    qtbot.waitUntil(lambda: saved.desk.project.current == "second")
    saved.image.choice.setCurrentText("cells")
    assert viewer.layers["cells"].visible
    assert not second.visible


def test_the_list_says_what_was_painted_since_it_was_opened(saved):
    saved.desk.link.arrays.annotation[2] = 255
    saved.desk.look()
    settle(saved)
    assert saved.project.volumes.item(0, 1).text() == "1"


def test_the_score_of_a_completed_slice_comes_back_with_the_project(
    saved, folder, qtbot
):
    desk, session = saved.desk, saved.desk.session
    desk.link.arrays.annotation[0] = 255
    desk.ledger.look()
    session.paints(Box.plane(SHAPE, 0, 3), 1)
    desk.link.arrays.annotation[3] = 1
    with qtbot.waitSignal(desk.slice_scores.scored):
        desk.look()
    assert "Dice of 1.00" in saved.messages.texts[0]
    saved.close()
    dock, _ = reopened(folder, qtbot)
    qtbot.waitUntil(lambda: bool(dock.desk.slice_scores.found))
    dock.desk.painter.go_to(SliceView(0, 3))
    assert "Dice of 1.00 here" in dock.paint.ledger.visible.text()
    dock.close()


def test_the_report_has_what_was_painted_a_moment_ago(
    saved, tmp_path, qtbot, monkeypatch
):
    path = tmp_path / "report.html"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    saved.desk.link.arrays.annotation[4] = 1
    saved.desk.look()
    with qtbot.waitSignal(saved.desk.project.reported):
        saved.project.report.click()
    assert "on 1 slice," in path.read_text(encoding="utf-8")
    assert saved.messages.texts[0] == f"The report was written: {path}"


def test_there_is_no_report_without_a_project(dock):
    assert dock.project.report.isHidden()


def test_a_point_of_a_series_is_shown_and_found_again(tmp_path, folder):
    path = tmp_path / "m.ome.tif"
    movie = np.zeros((2, 4, 5, 6), np.uint8)
    tifffile.imwrite(path, movie, metadata={"axes": "TZYX"})
    with Project.new(folder) as project:
        name = project.add(f"{path}#t=1").name
        loaded = load(project, name)
        project.refer(name, loaded.path)  # as the window does
        assert loaded.path == path
        assert project.volume(name).shape == (4, 5, 6)


def test_a_project_that_cannot_be_made_leaves_no_folder(folder, monkeypatch):
    def refused(*_, **__):
        raise UserError("the disk is full")

    monkeypatch.setattr(Project, "add_volume", refused)
    image = Volume.from_array(np.zeros(SHAPE, np.uint8))
    given = VolumeToSave(image, np.zeros(SHAPE, np.uint8), ClassTable(), None)
    with pytest.raises(UserError, match="disk is full"):
        created(folder, [given])
    assert not folder.exists()
