"""Nothing that is locked changes, whoever tries: a brush, a script, an undo."""

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.project.guard import ONLY_UNLABELLED
from sparseseg.project.keeper import Failed, Keeper, Refused
from sparseseg.project.project import Project


@pytest.fixture
def array(project) -> np.ndarray:
    return project.annotation("cells")


def test_a_locked_class_neither_loses_nor_gains_a_voxel(project, array):
    recorder = project.recorder("cells", array)
    array[3, 2:8, 2:8] = 1
    recorder.record("brush")
    before = array.copy()
    project.lock_class(1)
    array[3, 4:10, 4:10] = 2
    array[5, 0, 0] = 1
    found = recorder.record("brush")
    assert ((array == 1) == (before == 1)).all()
    assert (array[3, 8:10, 8:10] == 2).all()
    assert found.refused >= 16 + 1
    assert found.reason == "a class is locked"
    project.lock_class(1, is_locked=False)
    array[3, 2:8, 2:8] = 2
    assert recorder.record("brush").refused == 0
    assert (array[3, 2:8, 2:8] == 2).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_on_a_locked_slice_nothing_changes(project, array, axis):
    project.lock_slice("cells", (axis, 5))
    recorder = project.recorder("cells", array)
    before = array.copy()
    array[...] = np.where(array == 1, 2, 1)
    found = recorder.record("script")
    locked = (slice(None),) * axis + (5,)
    others = (slice(None),) * axis + (6,)
    assert (array[locked] == before[locked]).all()
    assert (array[others] != before[others]).all()
    assert found.reason == f"slice {'zyx'[axis]} 5 is locked"
    assert found.refused == before[locked].size
    assert (project.replay("cells") == array).all()


def test_a_brush_paints_over_what_was_chosen_only(project, array):
    recorder = project.recorder("cells", array)
    array[3], array[3, 2:8, 2:8], array[3, 10:12] = 0, 1, 2
    recorder.record("script")
    recorder.over = ONLY_UNLABELLED
    array[3] = 3
    recorder.record("brush")
    assert (array[3, 2:8, 2:8] == 1).all()
    assert (array[3, 10:12] == 2).all()
    assert array[3, 0, 0] == 3
    recorder.over = frozenset({2})
    array[3] = 4
    recorder.record("fill")
    assert (array[3, 10:12] == 4).all()
    assert array[3, 0, 0] == 3
    array[3] = 5
    assert recorder.record("script").refused == 0


def test_locks_are_there_after_a_restart(project, array):
    project.lock_class(2)
    project.lock_slice("cells", (1, 4))
    project.close()
    with Project(project.folder) as again:
        assert again.locked == {2}
        assert again.record_of("cells").locked == {(1, 4)}
        array[:, 4] = 3
        recorder = again.recorder("cells", array)
        assert recorder.record("script").deltas == ()


def test_what_is_not_there_cannot_be_locked(project):
    with pytest.raises(UserError, match="no class 9"):
        project.lock_class(9)
    with pytest.raises(UserError, match="no slice 99"):
        project.lock_slice("cells", (0, 99))


def test_an_undo_that_would_change_a_locked_slice_is_refused(project, array):
    heard: list[object] = []
    keeper = Keeper(project, heard.append)
    keeper.follow("cells", array)
    array[3, 2:5, 2:5] = 2
    keeper.look("cells", "brush")
    keeper.ask(lambda known: known.lock_slice("cells", (0, 3))).result()
    after = array.copy()
    keeper.turn("undo")
    keeper.ask(lambda _: None).result()
    array[3, 9:12] = 1
    keeper.look("cells", "brush")
    keeper.ask(
        lambda known: known.lock_slice("cells", (0, 3), is_locked=False)
    ).result()
    keeper.turn("undo")
    keeper.close()
    refusal, refused, turned = heard
    assert refusal == Failed("cannot undo: slice z 3 is locked in 'cells'; unlock it")
    assert isinstance(refused, Refused)
    assert turned.action == "undo"
    assert (after[3, 2:5, 2:5] == 2).all()
    assert (array[3, 9:12] == after[3, 9:12]).all()
