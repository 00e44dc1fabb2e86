import json

import numpy as np
import pytest

from sparseseg.evaluation.estimate import (
    OF_STROKES,
    OVERCONFIDENCE,
    STROKES,
    DiceEstimate,
    Evidence,
    Spread,
    estimate,
    spreads,
)
from sparseseg.evaluation.matching import BINS

WANTED = np.eye(BINS)[1]
SURE = np.ones(2)


def slices_with(*rights):
    """Slices of 300 pixels of class 1, of which so many are right; one bin."""
    counts = np.zeros((len(rights), BINS, 2, 3))
    for number, right in enumerate(rights):
        counts[number, 1, 1] = right, 300, 300
    return counts


def evidence(**changed):
    spread = Spread(0.8, 0.85, 0.01, 4)
    given = {
        "method": "network",
        "slices": 6,
        "classes": {1: spread},
        "mean": spread,
        "calibration": (0.0, 1.0, 0.0, 0.0),
    }
    return Evidence(**(given | changed))


def test_the_jackknife_measures_how_slices_differ():
    found, mean = spreads(slices_with(240, 270, 300), WANTED, SURE, {1: 3})
    # Without one slice: 0.95, 0.9, 0.85. Their squares sum to 0.005, times 2/3.
    assert found[1].dice == pytest.approx(0.9)
    assert found[1].error == pytest.approx((2 / 3 * 0.005) ** 0.5)
    assert mean == found[1]


def test_equal_slices_leave_no_error():
    found, _ = spreads(slices_with(270, 270, 270), WANTED, SURE, {1: 3})
    assert found[1].error == pytest.approx(0)


def test_nothing_is_said_of_two_slices_or_of_a_class_on_one():
    assert spreads(slices_with(270, 270), WANTED, SURE, {1: 2})[1] is None
    assert spreads(slices_with(270, 270, 270), WANTED, SURE, {1: 1}) == (
        {1: None},
        None,
    )


def test_what_is_expected_more_than_of_the_left_out_slices_is_added():
    found = estimate(evidence(), {1: 0.95})
    added = 0.95 - 0.85 - OVERCONFIDENCE
    assert found.mean.dice == pytest.approx(0.8 + added)
    assert found.classes[1].dice == pytest.approx(0.8 + added)


def test_a_small_surplus_is_self_confidence_alone():
    found = estimate(evidence(), {1: 0.85 + OVERCONFIDENCE / 2})
    assert found.mean.dice == pytest.approx(0.8)


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_what_stands_in_for_itself_is_not_surer_than_itself(share, kept):
    found = estimate(evidence(by_network=share), {1: 0.95})
    added = 0.95 - 0.85 - kept * OVERCONFIDENCE
    assert found.mean.dice == pytest.approx(0.8 + added)


def test_a_class_that_is_not_predicted_has_a_dice_of_0():
    assert estimate(evidence(), {1: None}).mean.dice == 0


def test_a_large_correction_widens_the_interval():
    near, far = (estimate(evidence(), {1: other}).mean for other in (0.85, 0.55))
    assert far.high - far.low > near.high - near.low


def test_slices_that_differ_widen_the_interval():
    sure, unsure = (
        estimate(evidence(mean=Spread(0.8, 0.85, error, 4)), {1: 0.85}).mean
        for error in (0.01, 0.1)
    )
    assert unsure.low < sure.low


def test_an_interval_stays_within_0_and_1():
    spread = Spread(0.97, 0.9, 0.5, 4)
    found = estimate(evidence(classes={1: spread}, mean=spread), {1: 1.0}).mean
    assert (found.dice, found.high) == (1.0, 1.0)
    assert found.low >= 0


def test_the_contract_of_the_estimate():
    told = json.loads(json.dumps(estimate(evidence(), {1: 0.82}).to_json()))
    assert set(told) == {"mean_dice", "low", "high", "classes"}
    assert set(told["classes"]["1"]) == {"dice", "low", "high"}


def test_an_estimate_is_read_again_as_it_was_written():
    found = estimate(evidence(), {1: 0.82})
    assert DiceEstimate.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_where_nothing_can_be_said_there_is_a_reason():
    found = estimate(evidence(mean=None, slices=2), {1: 0.9})
    assert found.to_json() is None
    assert "3 annotated slices" in found.reason


def test_with_many_slices_the_reason_does_not_ask_for_slices():
    dense = estimate(evidence(slices=30, classes={1: None}, mean=None))
    assert "every voxel is annotated" in dense.reason
    few = estimate(evidence(slices=2, classes={1: None}, mean=None))
    assert "needs 3 annotated slices" in few.reason


def test_without_one_class_there_is_no_mean_and_the_class_is_named():
    known = evidence().classes
    found = estimate(evidence(classes={**known, 7: None}), {1: 0.8, 7: 0.4})
    assert found.classes[7] is None
    assert found.classes[1] is not None
    assert found.to_json() is None
    assert "class 7" in found.reason


def test_evidence_is_kept_in_a_file():
    told = json.loads(json.dumps(evidence(classes={1: None, 2: None}).to_json()))
    assert Evidence.from_json(told) == evidence(classes={1: None, 2: None})


def test_evidence_that_is_no_number_is_refused():
    told = evidence().to_json() | {"calibration": [0, float("nan"), 0, 0]}
    with pytest.raises(ValueError, match="no number"):
        Evidence.from_json(told)


def test_more_slices_take_a_part_of_what_is_missing_away():
    found = estimate(evidence(annotated=9), {1: 0.85})
    assert found.mean.dice == pytest.approx(0.8)
    # 27 slices more are four times as many: half of what is missing is left.
    assert found.with_slices(27) == pytest.approx(0.9)
    assert found.with_slices(0) == pytest.approx(0.8)


def test_an_earlier_version_does_not_say_how_many_slices_there_were():
    assert estimate(evidence(), {1: 0.85}).with_slices(1) is None


def test_less_is_expected_where_only_strokes_were_left_out():
    whole, strokes = (
        estimate(evidence(labelled=share), {1: 0.85}).mean for share in (1.0, 0.0)
    )
    assert strokes.dice == pytest.approx(whole.dice - STROKES)
    assert strokes.high - strokes.low == pytest.approx(
        whole.high - whole.low + 2 * OF_STROKES
    )
