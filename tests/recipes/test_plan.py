import json
from dataclasses import replace

import pytest

from sparseseg.data.intensity import GreyCurve
from sparseseg.errors import UserError
from sparseseg.recipes import Plan

PLAN = Plan(
    recipe="three-view",
    outputs=(255, 3, 7),
    spacing=(3.0, 0.5, 1.0),
    unit="um",
    curves=(GreyCurve((0.0, 1.0), (-2.0, 2.0)), GreyCurve((1.0, 5.0), (0.0, 1.0))),
    patch=(4, 5, 6),
    network={"widths": [4, 6]},
)


def unchecked(name, value):
    return pytest.param(name, value)


def test_a_plan_survives_json():
    again = Plan.from_json(json.loads(json.dumps(PLAN.to_json())))
    assert again.to_json() == PLAN.to_json()
    assert again.curves == PLAN.curves
    assert again.outputs == PLAN.outputs


def test_background_is_predicted_as_nought():
    assert PLAN.classes == (0, 3, 7)
    assert PLAN.with_outputs((1, 2)).classes == (1, 2)


def test_anisotropy_is_in_multiples_of_the_smallest_side():
    assert PLAN.anisotropy == (6.0, 1.0, 2.0)
    assert replace(PLAN, spacing=(2.0, 2.0, 2.0)).anisotropy == (1.0, 1.0, 1.0)


def test_sizes_are_those_of_a_volume_where_the_network_has_other_axes():
    turned = replace(PLAN, inference={"axes": [2, 1, 0]})
    assert turned.stored_spacing == (1.0, 0.5, 3.0)
    assert turned.anisotropy == (2.0, 1.0, 6.0)


@pytest.mark.parametrize(
    "name", sorted(set(PLAN.to_json()) - {"inference", "options", "grey"})
)
def test_a_description_that_lacks_an_entry_is_refused(name):
    data = PLAN.to_json()
    del data[name]
    with pytest.raises(UserError, match="description is damaged"):
        Plan.from_json(data)


def test_a_model_from_before_there_were_rules_keeps_its_grey_values_fixed():
    data = PLAN.to_json()
    del data["grey"]
    assert Plan.from_json(data).rules == ("fixed", "fixed")


def test_a_plan_keeps_the_rule_of_each_channel():
    rules = ("fixed", "volume")
    plan = Plan.from_json(replace(PLAN, grey=rules).to_json())
    assert plan.rules == rules


def test_a_model_from_before_there_were_options_has_none():
    data = PLAN.to_json()
    del data["options"]
    assert Plan.from_json(data).options == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outputs", []),
        ("outputs", [1, 1]),
        ("outputs", [0, 1]),
        ("outputs", [1, 256]),
        ("outputs", ["a"]),
        ("outputs", None),
        unchecked("outputs", [float("inf")]),
        ("outputs", list(range(1, 300))),
        ("spacing", [1, 1]),
        ("spacing", [1, 1, 0]),
        unchecked("spacing", [1, 1, float("nan")]),
        unchecked("spacing", [1, 1, float("inf")]),
        ("spacing", "wide"),
        ("patch", [4, 4, -4]),
        ("patch", [4, 4, 4, 4]),
        unchecked("patch", [4, 4, float("inf")]),
        ("curves", None),
        ("curves", [{"knots": [0, 1]}]),
        ("curves", [{"knots": [0], "values": [1]}]),
        ("curves", [{"knots": [1, 0], "values": [0, 1]}]),
        ("curves", [{"knots": [0, 1, 2], "values": [0, 1]}]),
        ("curves", ["curve"]),
        ("grey", ["volume"]),
        ("grey", ["volume", "own"]),
        unchecked("curves", []),
        ("network", 5),
        ("network", None),
    ],
)
def test_a_description_with_an_impossible_entry_is_refused(name, value):
    with pytest.raises(UserError, match="description is damaged"):
        Plan.from_json({**PLAN.to_json(), name: value})


@pytest.mark.parametrize("data", [None, [], "plan", 7])
def test_a_description_that_is_no_table_is_refused(data):
    with pytest.raises(UserError, match="description is damaged"):
        Plan.from_json(data)
