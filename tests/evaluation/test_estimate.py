import json

import numpy as np
import pytest

from sparseseg.evaluation.estimate import (
    CURVE,
    Evidence,
    Spread,
    estimate,
    learned_more,
    spreads,
)
from sparseseg.evaluation.matching import BINS

WANTED = np.eye(BINS)[1]


def slices_with(*rights):
    """Slices of 300 pixels of class 1, of which so many are right; one bin."""
    counts = np.zeros((len(rights), BINS, 2, 3))
    for number, right in enumerate(rights):
        counts[number, 1, 1] = right, 300, 300
    return counts


def evidence(**changed):
    spread = Spread(0.8, 0.01, 0.005, 4)
    given = {
        "method": "network",
        "slices": 6,
        "share": 1.0,
        "classes": {1: spread},
        "mean": spread,
        "calibration": (0.0, 1.0, 0.0, 0.0),
    }
    return Evidence(**(given | changed))


def test_more_slices_have_fewer_errors():
    assert learned_more(0.8, 0.5) == pytest.approx(1 - 0.2 * 0.5**CURVE)
    assert learned_more(0.8, 1.0) == pytest.approx(0.8)


def test_the_jackknife_measures_how_slices_differ():
    found, mean = spreads(slices_with(240, 270, 300), WANTED, 1.0, {1: 3})
    # Without one slice: 0.95, 0.9, 0.85. Their squares sum to 0.005, times 2/3.
    assert found[1].dice == pytest.approx(0.9)
    assert found[1].error == pytest.approx((2 / 3 * 0.005) ** 0.5)
    assert mean == found[1]


def test_equal_slices_leave_no_error():
    found, _ = spreads(slices_with(270, 270, 270), WANTED, 1.0, {1: 3})
    assert found[1].error == pytest.approx(0)


def test_nothing_is_said_of_two_slices_or_of_a_class_on_one():
    assert spreads(slices_with(270, 270), WANTED, 1.0, {1: 2})[1] is None
    assert spreads(slices_with(270, 270, 270), WANTED, 1.0, {1: 1}) == ({1: None}, None)


def test_the_estimate_is_the_mean_of_two_opinions():
    found = estimate(evidence(), {1: 0.82})
    assert found.mean.dice == pytest.approx(0.81)
    assert found.mean.low < 0.81 < found.mean.high
    assert found.classes[1] == found.mean


def test_opinions_that_differ_widen_the_interval():
    near, far = (estimate(evidence(), {1: other}).mean for other in (0.82, 0.92))
    width = [found.high - found.low for found in (near, far)]
    assert width[1] == pytest.approx(width[0] + 0.12 - 0.03)


def test_an_interval_stays_within_0_and_1():
    found = estimate(evidence(mean=Spread(0.99, 0.5, 0.0, 4)), {1: 0.99}).mean
    assert (found.low, found.high) == (pytest.approx(0.285, abs=0.2), 1.0)


def test_the_contract_of_the_estimate():
    told = json.loads(json.dumps(estimate(evidence(), {1: 0.82}).to_json()))
    assert set(told) == {"mean_dice", "low", "high", "classes"}
    assert set(told["classes"]["1"]) == {"dice", "low", "high"}


def test_where_nothing_can_be_said_there_is_a_reason():
    found = estimate(evidence(mean=None, slices=2), {1: 0.9})
    assert found.to_json() is None
    assert "3 annotated slices" in found.reason


def test_a_class_that_is_not_known_is_named():
    known = evidence().classes
    found = estimate(evidence(classes={**known, 7: None}), {1: 0.8, 7: 0.4})
    assert found.classes[7] is None
    assert found.to_json()["classes"]["7"] is None
    assert "class 7" in found.reason


def test_evidence_is_kept_in_a_file():
    told = json.loads(json.dumps(evidence(classes={1: None, 2: None}).to_json()))
    assert Evidence.from_json(told) == evidence(classes={1: None, 2: None})


def test_evidence_that_is_no_number_is_refused():
    told = evidence().to_json() | {"calibration": [0, float("nan"), 0, 0]}
    with pytest.raises(ValueError, match="no number"):
        Evidence.from_json(told)
