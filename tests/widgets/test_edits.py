import numpy as np
import pytest
from napari.layers import Labels

from sparseseg.boxes import Box
from sparseseg.errors import UserError
from sparseseg.widgets.edits import checked_labels, replace_labels, take


@pytest.fixture
def layer() -> Labels:
    """A 2 x 2 x 3 annotation with one voxel of class 1 and one of background."""
    data = np.zeros((2, 2, 3), np.uint8)
    data[0, 0, 0] = 1
    data[0, 1, 2] = 255
    return Labels(data)


def test_only_unlabelled_voxels_of_the_box_are_taken(layer):
    array = layer.data

    taken = take(layer, lambda box: np.full(box.shape, 2), Box((0, 0, 0), (1, 2, 3)))

    assert taken == 4
    assert layer.data is array
    assert array[0].tolist() == [[1, 2, 2], [2, 2, 255]]
    assert not array[1].any()


def test_what_has_no_label_takes_nothing_and_a_step_can_be_undone(layer):
    before = layer.data.copy()
    labels = np.zeros((1, 2, 2), np.uint8)
    labels[0, 1] = [3, 255]

    assert take(layer, lambda _: labels, Box((1, 0, 1), (2, 2, 3))) == 2
    assert layer.data[1].tolist() == [[0, 0, 0], [0, 3, 255]]
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


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
