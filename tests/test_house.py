"""The rooms of the package lead down only, behind TYPE_CHECKING and in functions as well."""

from benchmarks.house import arrows, circles, floors


def test_no_way_leads_in_a_circle():
    assert circles(arrows()) == []


def test_a_circle_is_found_and_floors_are_counted():
    round_about = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}
    assert circles(round_about) == [["b", "c"]]
    assert floors(round_about) is None
    assert floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == 3
