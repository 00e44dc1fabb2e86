"""Labels made elsewhere become the annotation, in a thread and as one step."""

import threading

import numpy as np
import pytest
from napari.layers._source import layer_source

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.files import write_labels
from sparseseg.errors import UserError
from sparseseg.widgets import adoption, writing
from sparseseg.widgets.layer_kinds import CLASSES

SHAPE = (6, 30, 40)


@pytest.fixture
def adopt(qtbot):
    """Copy a layer into the annotation of a desk; return how many voxels changed."""

    def adopt(desk, source) -> int:
        with qtbot.waitSignal(desk.adoption.done) as done:
            desk.adoption.adopt(source)
        return done.args[0]

    return adopt


def test_a_labels_layer_is_copied_and_its_classes_are_added(
    opened, viewer, adopt, session
):
    labels = np.zeros(SHAPE, np.int32)
    labels[0], labels[1] = 3, 255
    source = viewer.add_labels(labels)

    assert adopt(opened, source) == 2 * 30 * 40

    np.testing.assert_array_equal(session.arrays.annotation, labels)
    assert opened.classes.table.numbers == (1, 3)
    assert not source.visible


def test_a_copied_layer_gives_its_name_to_the_annotation(opened, viewer, adopt, desk):
    viewer.layers.remove(opened.link.annotation)
    source = viewer.add_labels(np.ones(SHAPE, np.uint8), name="cells annotation")

    adopt(opened, source)

    assert (opened.link.annotation.name, source.name) == (
        "cells annotation",
        "cells annotation (original)",
    )


def test_a_copied_labels_layer_can_be_taken_out_again(opened, viewer, adopt, session):
    adopt(opened, viewer.add_labels(np.ones(SHAPE, np.uint8)))

    opened.link.annotation.undo()

    assert not session.arrays.annotation.any()


def test_the_class_names_a_labels_layer_brings_are_taken(opened, viewer, adopt):
    table = ClassTable((LabelClass(2, "membrane", "#112233"),))
    source = viewer.add_labels(
        np.full(SHAPE, 2, np.uint8), metadata={CLASSES: table.to_json()}
    )

    adopt(opened, source)

    assert opened.classes.table == table


def test_copied_labels_leave_the_names_of_what_another_image_is_painted_with(
    opened, viewer, adopt
):
    opened.classes.rename(1, "nucleus")
    opened.link.annotation.data[0, 0, :5] = 1
    opened.link.choose(viewer.add_image(np.zeros((3, 20, 20)), name="other"))
    table = ClassTable((LabelClass(2, "membrane", "#112233"),))
    source = viewer.add_labels(
        np.full((3, 20, 20), 2, np.uint8), metadata={CLASSES: table.to_json()}
    )

    adopt(opened, source)

    assert opened.classes.table.names == ("nucleus", "membrane")


@pytest.mark.parametrize("kind", ["nothing", "an image", "the annotation"])
def test_only_another_labels_layer_can_be_copied(opened, image, kind):
    source = {"nothing": None, "an image": image}.get(kind, opened.link.annotation)

    with pytest.raises(UserError, match="Select a Labels layer"):
        opened.adoption.adopt(source)


def test_labels_that_do_not_fit_open_nothing(desk, image, viewer, session):
    desk.link.choose(image)

    with pytest.raises(UserError, match="3 x 3 x 3"):
        desk.adoption.adopt(viewer.add_labels(np.zeros((3, 3, 3), np.uint8)))

    assert not session.called("open")


def test_labels_that_napari_opened_itself_have_the_names_of_their_file(
    opened, viewer, adopt, tmp_path
):
    labels = np.zeros(opened.link.arrays.annotation.shape, np.uint8)
    labels[2, :4] = 3
    table = ClassTable((LabelClass(3, "nucleus", "#12ab34"),))
    write_labels(tmp_path / "a.tif", labels, opened.link.volume, table=table)
    with layer_source(path=str(tmp_path / "a.tif")):
        source = viewer.add_labels(labels)

    adopt(opened, source)

    assert opened.classes.table == table


def test_labels_are_compared_in_a_thread(opened, viewer, adopt, monkeypatch):
    places = []
    real = adoption.checked_labels

    def spy(*values):
        places.append(threading.current_thread() is threading.main_thread())
        return real(*values)

    monkeypatch.setattr(adoption, "checked_labels", spy)

    adopt(opened, viewer.add_labels(np.ones(SHAPE, np.uint8)))

    assert places == [False]


def test_many_small_parts_are_one_step_to_undo(opened, viewer, adopt, monkeypatch):
    monkeypatch.setattr(writing, "_VOXELS", 80)
    monkeypatch.setattr(writing, "_TURN", 0)
    labels = np.arange(6 * 30 * 40, dtype=np.uint8).reshape(SHAPE)

    changed = adopt(opened, viewer.add_labels(labels))

    layer = opened.link.annotation
    assert changed == np.count_nonzero(labels)
    np.testing.assert_array_equal(layer.data, labels)
    layer.undo()
    assert not layer.data.any()


def test_values_that_no_annotation_has_change_nothing(opened, viewer, qtbot):
    source = viewer.add_labels(np.full(SHAPE, 300))

    with qtbot.waitSignal(opened.adoption.failed) as failed:
        opened.adoption.adopt(source)

    assert "values from 300 to 300" in failed.args[0]
    assert not opened.link.annotation.data.any()
    assert opened.link.annotation.mode == "paint"


def test_one_copy_is_made_after_the_other(opened, viewer, qtbot):
    source = viewer.add_labels(np.ones(SHAPE, np.uint8))

    with qtbot.waitSignal(opened.adoption.done):
        opened.adoption.adopt(source)
        with pytest.raises(UserError, match="Try again in a moment"):
            opened.adoption.adopt(source)


def test_removing_the_annotation_ends_the_copy(opened, viewer, qtbot, monkeypatch):
    monkeypatch.setattr(writing, "_VOXELS", 40)
    monkeypatch.setattr(writing, "_TURN", 0)
    layer = opened.link.annotation
    source = viewer.add_labels(np.ones(SHAPE, np.uint8))

    with qtbot.waitSignal(opened.writing.failed) as failed:
        opened.adoption.adopt(source)
        qtbot.waitUntil(lambda: layer.data[0, 0].all())
        viewer.layers.remove(layer)

    assert "was removed" in failed.args[0]
    assert not layer.data.all()


def test_the_desk_closes_while_labels_are_copied(opened, viewer, session):
    opened.adoption.adopt(viewer.add_labels(np.ones(SHAPE, np.uint8)))

    opened.close()

    assert not opened.adoption.is_busy
