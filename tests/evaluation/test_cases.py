import json

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.evaluation import evaluate, evaluate_cases


def row(*values):
    return np.array(values, np.uint8).reshape(1, 1, -1)


# Dice of class 1: 2 / 3 and 1; of all voxels as one: 2 * (1 + 3) / (3 + 6).
SMALL = (row(1, 1, 0, 0), row(1, 0, 0, 0))
LARGE = (row(1, 1, 1, 0), row(1, 1, 1, 0))


def test_dice_per_case_is_a_mean_and_dice_global_is_pooled():
    result = evaluate_cases([SMALL, LARGE])
    assert result["per_case"]["dice"][1] == pytest.approx((2 / 3 + 1) / 2)
    assert result["global"]["dice"][1] == pytest.approx(8 / 9)
    assert result["cases"] == [evaluate(*SMALL), evaluate(*LARGE)]


def test_one_case_is_its_own_mean_and_its_own_pool():
    result = evaluate_cases([SMALL])
    alone = evaluate(*SMALL)
    for name in ("iou", "dice", "mean_iou", "mean_dice", "voe", "rvd"):
        assert result["per_case"][name] == result["global"][name] == alone[name]


def test_a_class_counts_in_the_cases_that_have_it():
    without = (row(1, 0), row(1, 0))
    missed = (row(1, 0), row(1, 2))
    found = (row(1, 2), row(1, 2))
    result = evaluate_cases([without, missed, found])
    assert result["per_case"]["dice"][2] == (0.0 + 1.0) / 2
    assert result["counted"]["dice"] == {0: 2, 1: 3, 2: 2}
    assert result["counted"]["rvd"][2] == 2


def test_distances_that_are_not_there_are_not_counted():
    labels = row(0, 0, 1, 1, 0, 0)
    missed = (np.zeros_like(labels), labels, (1, 1, 1), None)
    found = (labels, labels, (1, 1, 1), None)
    result = evaluate_cases([missed, found], tolerance=0)
    assert result["per_case"]["surface_distance"] == {1: 0.0}
    assert result["counted"]["surface_distance"] == {1: 1}
    assert result["per_case"]["surface_dice"] == {1: 1 / 2}
    assert result["counted"]["surface_dice"] == {1: 2}


def test_a_measure_that_no_case_has_is_none():
    result = evaluate_cases([(row(1, 3), row(1, 0))])
    assert result["per_case"]["rvd"] == {0: -1.0, 1: 0.0, 3: None}
    assert result["counted"]["rvd"] == {0: 1, 1: 1, 3: 0}


def test_distances_are_measured_in_those_cases_that_have_a_spacing():
    labels = row(0, 0, 1, 1, 0, 0)
    result = evaluate_cases([(labels, labels), (labels, labels, (1, 1, 1), None)])
    assert result["counted"]["surface_distance"] == {1: 1}
    assert result["counted"]["dice"] == {0: 2, 1: 2}


def test_each_case_has_its_own_annotation():
    result = evaluate_cases([(*SMALL, None, row(0, 7, 0, 0)), LARGE])
    assert result["per_case"]["dice"] == {0: 1.0, 1: 1.0}


def test_the_burden_is_the_tumour_over_the_organ_with_it():
    """Burdens 1/4 against 2/4, and 2/3 against 1/3."""
    first = (row(1, 1, 1, 2, 0), row(1, 1, 2, 2, 0))
    second = (row(1, 2, 2, 0, 0), row(1, 1, 2, 0, 0))
    result = evaluate_cases([first, second], burden=(2, 1))["burden"]
    assert result["prediction"] == [1 / 4, 2 / 3]
    assert result["truth"] == [2 / 4, 1 / 3]
    squares = ((1 / 4) ** 2 + (1 / 3) ** 2) / 2
    assert result["rmse"] == pytest.approx(squares**0.5)


def test_a_case_without_the_organ_has_no_burden_and_a_missed_organ_has_none_of_it():
    no_organ = (row(1, 0), row(0, 0))
    missed = (row(0, 0), row(1, 2))
    result = evaluate_cases([no_organ, missed], burden=(2, 1))["burden"]
    assert result == {
        "rmse": 1 / 2,
        "counted": 1,
        "prediction": [0.0],
        "truth": [1 / 2],
    }


def test_no_organ_at_all_is_no_error():
    nothing = (row(0, 0), row(0, 0))
    assert evaluate_cases([nothing], burden=(2, 1))["burden"]["rmse"] is None


def test_a_tumour_within_an_organ_counts_there_in_the_pool_too():
    case = (row(1, 1, 2, 2, 0), row(1, 2, 2, 0, 0))
    result = evaluate_cases([case, case], within={2: 1})
    assert result["global"]["dice"][1] == 6 / 7


def test_cases_are_taken_one_by_one():
    taken = []

    def cases():
        for name in "ab":
            taken.append(name)
            yield SMALL

    assert len(evaluate_cases(cases())["cases"]) == len(taken) == 2


def test_the_result_is_plain_json():
    case = (*SMALL, (1.0, 1.0, 1.0), None)
    result = evaluate_cases([case], tolerance=1.0, burden=(2, 1))
    assert json.loads(json.dumps(result))["counted"]["dice"] == {"0": 1, "1": 1}


def test_a_case_that_does_not_fit_is_named():
    with pytest.raises(UserError, match=r"case 2: prediction has shape"):
        evaluate_cases([SMALL, (row(1), row(1, 0))])


def test_no_case_at_all_is_said():
    with pytest.raises(UserError, match="there is no case"):
        evaluate_cases([])


@pytest.mark.parametrize("pair", [(1, 1), (0, 1), (2, 255)])
def test_a_burden_of_something_else_is_refused(pair):
    with pytest.raises(UserError, match="two classes of 1 to 254"):
        evaluate_cases([SMALL], burden=pair)
