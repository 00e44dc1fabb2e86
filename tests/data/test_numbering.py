import numpy as np
import pytest

from sparseseg.data.numbering import to_annotation, to_truth
from sparseseg.errors import Note, UserError


def test_our_own_numbering_stays_as_it_is():
    values = np.array([0, 1, 254, 255], np.uint8)
    assert to_annotation(values).tolist() == [0, 1, 254, 255]


def test_background_0_and_another_unlabelled_value_are_exchanged():
    values = np.array([0, 1, 2, 3])
    assert to_annotation(values, unlabelled=3, background=0).tolist() == [255, 1, 2, 0]


def test_ignored_255_and_background_0_are_exchanged():
    values = np.array([0, 1, 255], np.uint8)
    mapped = to_annotation(values, unlabelled=255, background=0)
    assert mapped.tolist() == [255, 1, 0]


def test_negative_and_large_values_can_be_mapped():
    values = np.array([-1, 1, 1000], np.int32)
    mapped = to_annotation(values, unlabelled=-1, background=1000)
    assert mapped.tolist() == [0, 1, 255]
    assert mapped.dtype == np.uint8


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">i2", np.uint64])
def test_any_type_of_whole_numbers_is_taken(kind):
    assert to_annotation(np.array([0, 3], kind)).tolist() == [0, 3]


def test_a_mask_is_class_1():
    assert to_annotation(np.array([False, True])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "options", "named"),
    [
        ([0, 256], {}, "256"),
        ([-1, 1], {}, "-1"),
        ([0, 1, 3], {"unlabelled": 3}, "value 0"),
        ([1, 255], {"background": 0, "unlabelled": 9}, "255"),
        ([0.0, 0.5], {}, "0.5"),
        ([0.0, np.nan], {}, "nan"),
        ([0.0, np.inf], {}, "infinity"),
    ],
)
def test_a_value_without_a_meaning_is_named(values, options, named):
    with pytest.raises(UserError, match=named):
        to_annotation(np.array(values), **options)


def test_one_value_cannot_mean_two_things():
    with pytest.raises(UserError, match="both 0"):
        to_annotation(np.array([0, 1]), background=0)


def test_a_truth_keeps_its_numbers_and_has_no_negative_ones():
    assert to_truth(np.array([0.0, 300.0])).tolist() == [0, 300]
    with pytest.raises(UserError, match="got -2"):
        to_truth(np.array([-2, 1]))


def test_grey_values_are_not_taken_for_labels():
    grey = np.random.default_rng(0).integers(0, 200, (10, 20, 20)).astype(np.uint8)
    with pytest.raises(UserError, match="looks like an image"):
        to_annotation(grey)


def test_many_classes_on_few_slices_are_labels():
    classes = np.zeros((10, 48, 48), np.uint8)
    classes[3] = np.arange(1, 145).reshape(12, 12).repeat(4, 0).repeat(4, 1)
    assert to_annotation(classes).max() == 144


def test_a_mask_of_0_and_255_is_one_class_where_255_is_not_the_background():
    mask = np.zeros((2, 3, 4), np.uint8)
    mask[0] = 255
    with pytest.warns(Note, match="255 is the only class and becomes class 1"):
        found = to_annotation(mask, unlabelled=-1, background=0)
    assert (found[0] == 1).all()
    assert (found[1] == 255).all()


def test_grey_values_are_not_taken_for_objects():
    grey = np.random.default_rng(0).integers(0, 200, (1, 10, 20, 20))
    with pytest.raises(UserError, match="looks like an image"):
        to_truth(grey)


def test_objects_of_a_few_voxels_are_no_image():
    objects = np.arange(1000).reshape(10, 10, 10).repeat(2, 1).repeat(3, 2)
    assert to_truth(objects).max() == 999
