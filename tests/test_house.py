"""The rooms of the package lead down only, behind TYPE_CHECKING and in functions as well."""

import ast
from collections import defaultdict

from benchmarks.house import PACKAGE, arrows, circles, floors


def test_no_way_leads_in_a_circle():
    assert circles(arrows()) == []


def test_a_circle_is_found_and_floors_are_counted():
    round_about = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}
    assert circles(round_about) == [["b", "c"]]
    assert floors(round_about) is None
    assert floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == 3


def test_no_two_classes_have_one_name():
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.name)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
