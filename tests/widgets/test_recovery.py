import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta

import numpy as np
import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.session import SNAPSHOT
from sparseseg.widgets import recovery
from sparseseg.widgets.recovery import (
    Autosave,
    ModelFolder,
    Recovered,
    content_of,
)

SHAPE = (3, 4, 5)


def plain() -> ClassTable:
    return ClassTable.numbered([1])


def volume(name: str = "a/b: cells") -> Volume:
    return Volume.from_array(np.zeros(SHAPE), spacing=(2, 1, 1), unit="um", name=name)


def unlabelled(annotation: np.ndarray) -> SparseLabels:
    labels = SparseLabels(annotation)
    labels.assume_unlabelled()
    return labels


def saved(value: int, name: str = "a/b: cells") -> Autosave:
    """An autosave of an annotation that was changed to hold one value."""
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(unlabelled(annotation), volume(name), plain)
    annotation[1] = value
    autosave.close()
    autosave.wait()
    return autosave


def test_what_was_painted_is_found_by_the_image_s_content():
    saved(7)

    found = recovery.find(content_of(volume().array))

    assert found.read(volume())[:, 0, 0].tolist() == [0, 7, 0]


def test_another_image_of_the_same_name_and_shape_finds_nothing():
    saved(7)
    other = np.zeros((1, *SHAPE))
    other[0, 1, 2, 3] = 1

    assert recovery.find(content_of(other)) is None
    assert recovery.find(content_of(np.zeros((1, 3, 4, 6)))) is None


def test_an_image_that_was_renamed_finds_its_annotation():
    saved(7, "before.tif")

    assert recovery.find(content_of(volume("after.tif").array)) is not None


def test_a_layer_without_a_channel_axis_is_the_same_image():
    array = np.arange(60).reshape(SHAPE)

    assert content_of(array) == content_of(array[None])


def test_an_array_of_zarr_is_the_same_image(tmp_path):
    zarr = pytest.importorskip("zarr")
    array = np.arange(60, dtype=np.uint8).reshape(SHAPE)
    stored = zarr.create_array(str(tmp_path / "a.zarr"), data=array)

    assert content_of(stored) == content_of(array)


def test_what_is_closed_at_the_end_of_the_interpreter_is_written(home):
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(unlabelled(annotation), volume(), plain)
    annotation[0] = 3
    autosave._writer.shutdown()  # as the interpreter does before Qt's last objects go
    autosave.close()

    assert len(list(home.rglob("*.tif"))) == 1


def test_nothing_is_written_while_nothing_changes(home):
    autosave = Autosave(unlabelled(np.zeros(SHAPE, np.uint8)), volume(), plain)

    autosave.save()
    autosave.close()
    autosave.wait()

    assert not list(home.rglob("*.tif"))


def test_a_session_never_overwrites_the_copy_of_an_earlier_one():
    first, second = saved(1), saved(2)

    assert first.path != second.path
    assert first.path.exists()
    assert recovery.find(content_of(volume().array)).path == second.path


def test_only_the_newest_three_copies_are_kept(home):
    for value in range(1, 6):
        saved(value)

    assert len(list(home.rglob("*.tif"))) == 3


def test_a_write_in_the_background_ends_up_on_disk():
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(unlabelled(annotation), volume(), plain)
    annotation[0] = 3

    autosave.save()
    autosave.close()
    autosave.wait()

    assert recovery.find(content_of(volume().array)).read(volume())[0, 0, 0] == 3


def test_a_failed_write_is_told_by_the_next_save_and_made_up_for(home):
    (home / "recovery").write_text("a file where the folder should be")
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(unlabelled(annotation), volume(), plain)
    annotation[0] = 3
    autosave.save()
    autosave.wait()

    with pytest.raises(OSError, match="recovery"):
        autosave.save()

    (home / "recovery").unlink()
    autosave.save()
    autosave.close()
    autosave.wait()
    assert recovery.find(content_of(volume().array)) is not None


def test_a_damaged_copy_is_refused_in_a_sentence():
    path = saved(1).path
    path.write_bytes(path.read_bytes()[:20])

    with pytest.raises(UserError):
        recovery.find(content_of(volume().array)).read(volume())


def test_a_copy_of_today_is_named_by_its_time(tmp_path):
    now = datetime.now()

    assert str(Recovered(tmp_path, now)) == f"{now:%H:%M}"
    assert f"{now - timedelta(days=2):%d}" in str(
        Recovered(tmp_path, now - timedelta(days=2))
    )


def test_the_desk_saves_what_is_painted_and_takes_it_up_again(opened, home):
    opened.link.annotation.data[2] = 4
    opened.close()
    (path,) = home.rglob("*.tif")

    found = recovery.find(content_of(opened.link.volume.array))

    assert found.path == path
    like = Volume.from_array(np.zeros((6, 30, 40)))
    assert (found.read(like)[2] == 4).all()


def test_recovering_brings_back_labels_and_the_names_of_classes(
    desk, image, session, qtbot
):
    table = ClassTable((LabelClass(4, "nucleus", "#112233"),))
    annotation = np.zeros((6, 30, 40), np.uint8)
    like = Volume.from_array(image.data, name="cells")
    autosave = Autosave(unlabelled(annotation), like, lambda: table)
    annotation[2] = 4
    autosave.close()
    autosave.wait()
    desk.link.choose(image)

    with qtbot.waitSignal(desk.adoption.done):
        desk.recover(recovery.find(content_of(image.data)))

    assert (session.arrays.annotation[2] == 4).all()
    assert desk.classes.table == table


def test_a_model_that_was_left_is_found_once_its_session_has_gone(home):
    first = ModelFolder()
    (first.path / SNAPSHOT).write_bytes(b"model")

    assert ModelFolder().left() is None
    first.close()

    assert ModelFolder().left().path == first.path / SNAPSHOT


def test_the_models_of_the_dead_are_found_and_those_of_the_living_left(home):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        folder = home / "recovery" / "models" / f"{process}-20260101-000000-000000"
        folder.mkdir(parents=True)
        (folder / SNAPSHOT).write_bytes(b"model")

    found = ModelFolder().left()

    assert found.path.parent.name.startswith(f"{dead.pid}-")


def test_only_the_newest_three_models_are_kept(home):
    for number in range(5):
        folder = home / "recovery" / "models" / f"0{2**22 + number}-x"
        folder.mkdir(parents=True)
        (folder / SNAPSHOT).write_bytes(b"model")
        os.utime(folder / SNAPSHOT, (number, number))

    ModelFolder().left()

    assert len(list(home.rglob(SNAPSHOT))) == 3


def test_nothing_of_an_annotation_is_looked_at_in_qt_s_thread(
    desk, image, monkeypatch, home
):
    places = []
    real = SparseLabels.changed

    def changed(labels: SparseLabels) -> tuple[int, ...]:
        places.append(threading.current_thread() is threading.main_thread())
        return real(labels)

    monkeypatch.setattr(SparseLabels, "changed", changed)
    desk.link.choose(image)
    desk.link.annotate().data[2] = 4  # before anything could look
    desk.save_annotation()
    desk.close()
    assert places
    assert not any(places)
    assert len(list(home.rglob("*.tif"))) == 1


def test_what_was_copied_once_is_not_copied_again_when_one_comes_back(
    opened, viewer, home
):
    first = opened.link.image
    opened.link.annotation.data[2] = 4
    other = viewer.add_image(np.zeros((5, 20, 20)), name="other")
    opened.link.choose(other)
    opened.link.annotate()
    opened.link.choose(first)
    opened.close()
    assert len(list(home.rglob("*.tif"))) == 1
