import numpy as np
import pytest
from napari.layers import Labels

from sparseseg.boxes import Box
from sparseseg.errors import UserError
from sparseseg.widgets.edits import accept, checked_labels, fill_rest, replace_labels
from sparseseg.widgets.slices import SliceView


@pytest.fixture
def layer() -> Labels:
    """A 2 x 2 x 3 annotation with one voxel of class 1 and one of background."""
    data = np.zeros((2, 2, 3), np.uint8)
    data[0, 0, 0] = 1
    data[0, 1, 2] = 255
    return Labels(data)


def test_filling_touches_only_unlabelled_voxels_of_the_slice(layer):
    filled = fill_rest(layer, SliceView(0, 0))

    assert filled == 4
    assert layer.data[0].tolist() == [[1, 255, 255], [255, 255, 255]]
    assert not layer.data[1].any()


@pytest.mark.parametrize(("axis", "index"), [(1, 1), (2, 2)])
def test_filling_works_across_every_axis(layer, axis, index):
    fill_rest(layer, SliceView(axis, index))

    assert layer.data.take(index, axis).all()
    assert np.count_nonzero(layer.data.take(0, axis)) == 1


def test_filling_can_be_undone(layer):
    before = layer.data.copy()

    fill_rest(layer, SliceView(0, 0))
    layer.undo()

    np.testing.assert_array_equal(layer.data, before)


def test_filling_writes_into_the_same_array(layer):
    array = layer.data

    fill_rest(layer, SliceView(0, 1))

    assert layer.data is array
    assert array[1].all()


def test_accepting_keeps_what_was_painted_and_takes_0_as_background(layer):
    prediction = np.zeros_like(layer.data)
    prediction[0] = [[2, 2, 0], [0, 2, 2]]

    taken = accept(layer, SliceView(0, 0), prediction)

    assert taken == 4
    assert layer.data[0].tolist() == [[1, 2, 255], [255, 2, 255]]


def test_a_slice_without_a_prediction_is_not_taken_for_background(layer):
    with pytest.raises(UserError, match="z 1"):
        accept(layer, SliceView(0, 1), np.zeros_like(layer.data))


def test_replacing_a_box_returns_the_changed_voxels_and_can_be_undone(layer):
    before, labels = layer.data.copy(), np.full((2, 2, 3), 255, np.uint8)
    after = before.copy()
    after[:, 1, 1:] = 255

    assert replace_labels(layer, labels, Box((0, 1, 1), (2, 2, 3))) == 3
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_labels_of_another_shape_are_refused_with_both_shapes(layer):
    with pytest.raises(UserError, match="2 x 2 x 3, but the image is 2 x 2 x 4"):
        checked_labels(layer, (2, 2, 4))


@pytest.mark.parametrize("value", [-1, 256])
def test_values_outside_an_annotation_are_refused(value):
    layer = Labels(np.full((1, 2, 2), value, np.int32), name="foreign")

    with pytest.raises(UserError, match=f"'foreign' .* {value}"):
        checked_labels(layer, (1, 2, 2))


def test_fitting_values_of_any_integer_type_become_bytes():
    layer = Labels(np.array([[[0, 1], [254, 255]]], np.int64))

    labels = checked_labels(layer, (1, 2, 2))

    assert (labels.dtype, labels.tolist()) == (np.uint8, [[[0, 1], [254, 255]]])
