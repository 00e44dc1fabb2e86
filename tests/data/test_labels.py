import numpy as np
import pytest

from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.errors import UserError


@pytest.fixture
def array():
    annotation = np.zeros((4, 5, 6), np.uint8)
    annotation[1] = 255
    annotation[1, 2, 3] = 7
    return annotation


def test_the_array_is_the_one_that_was_given(array):
    labels = SparseLabels(array)
    assert labels.array is array
    assert labels.shape == (4, 5, 6)


def test_counts_leave_out_what_is_unlabelled(array):
    labels = SparseLabels(array)
    assert labels.counts() == {7: 1, 255: 29}
    assert labels.numbers() == (7,)
    assert labels.has_background()


def test_an_annotation_without_255_has_no_background(array):
    array[array == 255] = 1
    assert not SparseLabels(array).has_background()


def test_new_strokes_are_seen_without_being_told(array):
    labels = SparseLabels(array)
    array[3] = 9
    assert labels.numbers() == (7, 9)
    assert [str(s) for s in labels.slices()] == ["z 1", "z 3"]


def test_the_table_is_the_given_one_or_numbers_the_classes(array):
    table = ClassTable.numbered([7]).renamed(7, "nucleus")
    assert SparseLabels(array, table=table).table is table
    assert SparseLabels(array).table.names == ("class 7",)


def test_a_given_empty_table_is_kept(array):
    assert SparseLabels(array, table=ClassTable()).table == ClassTable()


def test_at_first_every_plane_has_changed_and_then_none(array):
    labels = SparseLabels(array)
    assert labels.changed() == (0, 1, 2, 3)
    assert labels.changed() == ()


def test_painting_and_undoing_change_a_plane(array):
    labels = SparseLabels(array)
    labels.changed()
    array[2, 0, 0] = 1
    array[3, 4, 5] = 1
    assert labels.changed() == (2, 3)
    array[2, 0, 0] = 0
    assert labels.changed() == (2,)


def test_whether_anything_changed_can_be_asked_again_and_again(array):
    labels = SparseLabels(array)
    assert labels.is_changed
    labels.changed()
    assert not labels.is_changed
    array[2, 0, 0] = 1
    assert labels.is_changed
    assert labels.is_changed
    assert labels.changed() == (2,)


def test_moved_voxels_change_a_plane_though_its_counts_stay(array):
    labels = SparseLabels(array)
    array[0, 0, :3] = [1, 2, 3]
    labels.changed()
    array[0, 0, :3] = [2, 1, 3]
    assert labels.changed() == (0,)


def test_a_view_that_is_not_contiguous_works(array):
    labels = SparseLabels(array.transpose(2, 1, 0))
    assert [str(s) for s in labels.slices()] == ["x 1"]
    assert len(labels.changed()) == 6


def test_slice_values_leave_out_what_belongs_to_another_slice():
    annotation = np.zeros((6, 6, 6), np.uint8)
    annotation[2] = 255
    annotation[0:5, 3, 1:5] = 1
    labels = SparseLabels(annotation)
    whole, partial = labels.slices()
    np.testing.assert_array_equal(labels.slice_values(whole), annotation[2])
    expected = annotation[:, 3].copy()
    expected[2] = 0
    np.testing.assert_array_equal(labels.slice_values(partial), expected)


def test_slice_values_can_be_asked_for_first():
    annotation = np.zeros((4, 5, 6), np.uint8)
    annotation[1] = 3
    (which,) = SparseLabels(annotation).slices()
    assert (SparseLabels(annotation).slice_values(which) == 3).all()


def test_the_ledger_tells_slices_by_axis_in_plain_sentences(array):
    array[:, 0] = 7
    array[3, 2:4, 2:4] = 255
    ledger = SparseLabels(array).ledger()
    assert ledger.labelled(0) == (1, 3)
    assert ledger.complete(0) == (1,)
    assert ledger.lines(ClassTable.numbered([7]).renamed(7, "nucleus")) == [
        "z: 2 slices (1, 3), 1 complete",
        "y: 1 slice (0), 1 complete",
        "x: 0 slices, 0 complete",
        "labelled: 43.33% of the voxels",
        "nucleus: 25 voxels",
        "background: 27 voxels",
    ]


def test_runs_of_slices_are_told_as_ranges():
    annotation = np.zeros((9, 4, 4), np.uint8)
    annotation[[0, 2, 3, 4, 5, 7, 8]] = 1
    first = SparseLabels(annotation).ledger().lines()[0]
    assert first == "z: 7 slices (0, 2-5, 7, 8), 7 complete"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 4), int),
        np.zeros((4, 4), np.uint8),
        np.zeros((0, 4, 4), np.uint8),
    ],
)
def test_another_kind_of_array_is_refused(array):
    with pytest.raises(UserError, match="read it with read_labels"):
        SparseLabels(array)


def test_what_is_labelled_is_a_change_of_what_is_taken_as_unlabelled() -> None:
    array = np.zeros((3, 2, 2), np.uint8)
    labels = SparseLabels(array)
    array[1, 0, 0] = 7
    labels.assume_unlabelled()
    assert labels.changed() == (1,)
    assert labels.changed() == ()
    labels.forget()
    assert labels.changed() == (0, 1, 2)
