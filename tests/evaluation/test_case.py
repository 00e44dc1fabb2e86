import json

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.evaluation import evaluate


def row(*values):
    return np.array(values, np.uint8).reshape(1, 1, -1)


def test_scores_are_those_worked_out_by_hand():
    result = evaluate(row(0, 1, 1, 1, 2, 0), row(0, 1, 1, 2, 2, 2))
    assert result == {
        "iou": {0: 1 / 2, 1: 2 / 3, 2: 1 / 3},
        "dice": {0: 2 / 3, 1: 4 / 5, 2: 2 / 4},
        "mean_iou": (2 / 3 + 1 / 3) / 2,
        "mean_dice": (4 / 5 + 2 / 4) / 2,
        "annotated": 0.0,
        "voe": {0: 1 - 1 / 2, 1: 1 - 2 / 3, 2: 1 - 1 / 3},
        "rvd": {0: (2 - 1) / 1, 1: (3 - 2) / 2, 2: (1 - 3) / 3},
    }


def test_annotated_voxels_do_not_count_whatever_their_label():
    prediction, truth = row(1, 1, 0, 1), row(0, 0, 0, 1)
    result = evaluate(prediction, truth, annotation=row(1, 255, 0, 0))
    assert result["iou"] == {0: 1.0, 1: 1.0}
    assert result["annotated"] == 0.5


def test_a_class_in_only_one_array_is_0_and_one_in_neither_is_left_out():
    result = evaluate(row(0, 3, 0), row(0, 0, 5))
    assert result["iou"] == {0: 1 / 3, 3: 0.0, 5: 0.0}


def test_a_class_that_the_truth_lacks_has_no_volume_to_differ_from():
    result = evaluate(row(0, 3, 0), row(0, 0, 5))
    assert result["rvd"] == {0: 0.0, 3: None, 5: -1.0}


def test_a_tumour_within_an_organ_counts_as_organ_too():
    """Organ 1 with tumour 2: three voxels in both, four and three in each."""
    prediction, truth = row(1, 1, 2, 2, 0), row(1, 2, 2, 0, 0)
    result = evaluate(prediction, truth, within={2: 1})
    assert result["dice"] == {0: 2 / 3, 1: 6 / 7, 2: 2 / 4}
    assert result["rvd"] == {0: -1 / 2, 1: 1 / 3, 2: 0.0}


def test_an_organ_that_is_all_tumour_is_there():
    result = evaluate(row(2, 0), row(2, 2), within={2: 1})
    assert result["iou"] == {0: 0.0, 1: 1 / 2, 2: 1 / 2}


def test_within_goes_through_several_classes():
    result = evaluate(row(1, 2, 3, 0), row(3, 1, 2, 0), within={3: 2, 2: 1})
    assert result["dice"] == {0: 1.0, 1: 1.0, 2: 2 / 4, 3: 0.0}


def test_without_any_class_there_is_no_mean():
    result = evaluate(row(0, 0), row(0, 0))
    assert result["iou"] == {0: 1.0}
    assert result["mean_iou"] is result["mean_dice"] is None
    assert evaluate(row(0, 1), row(0, 0))["mean_dice"] == 0


def test_the_result_is_plain_json():
    result = evaluate(row(0, 1), row(1, 1), spacing=(1.0, 1.0, 1.0))
    assert json.loads(json.dumps(result))["iou"] == {"0": 0.0, "1": 0.5}


def test_integer_types_do_not_matter():
    prediction, truth = row(0, 1, 2), row(0, 1, 1)
    assert evaluate(prediction.astype(">i4"), truth.astype(np.uint64)) == evaluate(
        prediction, truth
    )


def slab(thickness, axis):
    labels = np.zeros((9, 9, 9), np.uint8)
    np.moveaxis(labels, axis, 0)[1 : 1 + thickness] = 1
    return labels


@pytest.mark.parametrize(("axis", "step"), [(0, 5.0), (1, 1.0), (2, 2.0)])
def test_surface_distances_are_in_physical_units(axis, step):
    """The near faces agree, the far faces are two voxels apart."""
    result = evaluate(slab(5, axis), slab(3, axis), spacing=(5.0, 1.0, 2.0))
    assert result["surface_distance"] == {1: step}
    assert result["hausdorff95"] == {1: 2 * step}
    assert result["max_surface_distance"] == {1: 2 * step}


def plate(start, stop):
    """Return a plate in the middle of 1 x 1 x 12 voxels; its surface is its two ends."""
    labels = np.zeros((1, 1, 12), np.uint8)
    labels[..., start:stop] = 1
    return labels


def test_every_measure_is_of_one_list_of_distances():
    """Ends at 2 and 8 against 3 and 5: 1 and 3 one way, 1 and 3 back."""
    result = evaluate(plate(2, 9), plate(3, 6), spacing=(1, 1, 0.5), tolerance=0.5)
    assert result["surface_distance"] == {1: (0.5 + 1.5 + 0.5 + 1.5) / 4}
    assert result["max_surface_distance"] == {1: 1.5}
    assert result["hausdorff95"] == {1: 1.5}
    assert result["surface_dice"] == {1: 2 / 4}


@pytest.mark.parametrize(("tolerance", "share"), [(0.0, 0.0), (0.3, 0.5), (0.9, 1.0)])
def test_what_is_as_far_as_the_tolerance_is_within_it(tolerance, share):
    result = evaluate(
        plate(2, 9), plate(3, 6), spacing=(1, 1, 0.3), tolerance=tolerance
    )
    assert result["surface_dice"] == {1: share}


def test_a_class_within_another_is_no_hole_in_its_surface():
    truth = slab(3, 0)
    prediction = truth.copy()
    prediction[2, 4, 4] = 2
    apart = evaluate(prediction, truth, spacing=(1, 1, 1))
    together = evaluate(prediction, truth, spacing=(1, 1, 1), within={2: 1})
    assert apart["max_surface_distance"] == {1: 1.0, 2: None}
    assert together["max_surface_distance"] == {1: 0.0, 2: None}


def test_surface_distance_does_not_depend_on_the_memory_layout():
    a, b = slab(5, 0), slab(3, 0)
    turned = evaluate(
        np.asfortranarray(a), np.asfortranarray(b), spacing=(5.0, 1.0, 2.0)
    )
    assert turned == evaluate(a, b, spacing=(5.0, 1.0, 2.0))


def test_annotated_surface_does_not_count():
    annotation = np.zeros((9, 9, 9), np.uint8)
    annotation[3:6] = 255
    result = evaluate(slab(5, 0), slab(3, 0), annotation=annotation, spacing=(1, 1, 1))
    assert result["surface_distance"] == {1: 0.0}


def test_a_class_without_a_surface_in_one_array_has_no_distance():
    result = evaluate(slab(3, 0), np.zeros((9, 9, 9), np.uint8), spacing=(1, 1, 1))
    assert result["surface_distance"] == {1: None}
    assert result["hausdorff95"] == {1: None}
    assert result["max_surface_distance"] == {1: None}


def test_a_surface_that_is_missing_is_near_nothing():
    empty = np.zeros((9, 9, 9), np.uint8)
    for pair in ((slab(3, 0), empty), (empty, slab(3, 0))):
        result = evaluate(*pair, spacing=(1, 1, 1), tolerance=99)
        assert result["surface_dice"] == {1: 0.0}


def test_a_class_that_fills_the_volume_has_no_surface_to_measure():
    full = np.ones((2, 3, 4), np.uint8)
    result = evaluate(full, full, spacing=(1, 1, 1), tolerance=1)
    assert result["dice"] == {1: 1.0}
    assert result["surface_distance"] == result["surface_dice"] == {1: None}


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (row(0, 1), row(0, 1, 1), "prediction has shape"),
        (row(0, 1), row(0, 1).astype(float), "truth must hold integers"),
        (row(0, 255), row(0, 1), "prediction must hold classes 0 to 254, got 0 to 255"),
        (row(0, 1), row(0, 1).astype(int) * 900, "not instances"),
        (row(0, 1).astype(int) * -1, row(0, 1), "got -1 to 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(prediction, truth, message):
    with pytest.raises(UserError, match=message):
        evaluate(prediction, truth)


def test_an_annotation_of_another_shape_is_refused():
    with pytest.raises(UserError, match="annotation has shape"):
        evaluate(row(0, 1), row(0, 1), annotation=row(0))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"spacing": (1, 0, 1)}, "spacing must be above 0"),
        ({"spacing": (1, 1, 1), "tolerance": -1}, "tolerance must be a distance"),
        ({"tolerance": 2.0}, "a tolerance of 2 needs the spacing"),
    ],
)
def test_lengths_that_cannot_be_are_refused(lengths, message):
    with pytest.raises(UserError, match=message):
        evaluate(row(0, 1), row(0, 1), **lengths)


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ({1: 1}, "class 1 is said to lie within itself"),
        ({1: 2, 2: 3, 3: 1}, "within itself"),
        ({2: 0}, "is 1 to 254, got 0"),
        ({255: 1}, "is 1 to 254, got 255"),
    ],
)
def test_classes_that_cannot_lie_within_each_other_are_refused(within, message):
    with pytest.raises(UserError, match=message):
        evaluate(row(0, 1), row(0, 1), within=within)


def test_nothing_left_to_score_is_said():
    with pytest.raises(UserError, match="every voxel was annotated"):
        evaluate(row(0, 1), row(0, 1), annotation=row(255, 1))
