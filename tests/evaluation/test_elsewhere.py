import json

import pytest

from sparseseg.evaluation.elsewhere import (
    EASIER,
    HALF,
    KNOWS_LESS,
    TRUST,
    Elsewhere,
    estimate_elsewhere,
)
from sparseseg.evaluation.estimate import Evidence, Spread


def measured(left_out="volume", volumes=2, **classes):
    spreads = {int(n.strip("c")): spread for n, spread in classes.items()}
    mean = next((s for s in spreads.values() if s is not None), None)
    calibration = (0.0, 1.0, 0.0, 0.0)
    return Elsewhere(
        Evidence("network", 6, spreads, mean, calibration), left_out, volumes
    )


SPREAD = Spread(0.7, 0.6, 0.0, 6)


def test_a_part_of_what_is_expected_more_is_believed():
    found = estimate_elsewhere(measured(c1=SPREAD), {1: 0.8})
    assert found.mean.dice == pytest.approx(0.7 + TRUST * 0.2 + KNOWS_LESS / 2)
    assert found.is_elsewhere


def test_without_a_volume_it_is_what_was_measured():
    found = estimate_elsewhere(measured(c1=SPREAD))
    assert found.mean.dice == pytest.approx(0.7 + KNOWS_LESS / 2)
    assert found.mean.dice - found.mean.low == pytest.approx(HALF["volume"])


def test_slices_of_the_only_volume_are_easier_than_another_volume():
    found = estimate_elsewhere(measured("slices", 1, c1=SPREAD))
    assert found.mean.dice == pytest.approx(0.7 - EASIER)


def test_the_more_volumes_there_are_the_nearer_is_the_stand_in():
    few, many = (
        estimate_elsewhere(measured(volumes=count, c1=SPREAD)).mean.dice
        for count in (2, 6)
    )
    assert few > many > 0.7


def test_of_a_class_that_was_not_measured_nothing_is_said():
    found = estimate_elsewhere(measured(c1=SPREAD, c2=None), {1: 0.6, 2: 0.9})
    assert found.classes[2] is None
    nothing = estimate_elsewhere(measured(c2=None), {2: 0.9})
    assert nothing.to_json() is None
    assert nothing.reason


def test_it_survives_json_and_damage_is_refused():
    found = measured(c1=SPREAD)
    data = json.loads(json.dumps(found.to_json()))
    assert Elsewhere.from_json(data) == found
    with pytest.raises(ValueError, match="left out"):
        Elsewhere.from_json(data | {"left_out": "nothing"})
