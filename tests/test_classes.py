import json
from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from sparseseg.classes import (
    BACKGROUND,
    BACKGROUND_COLOUR,
    PALETTE,
    ClassTable,
    LabelClass,
)
from sparseseg.errors import UserError

NUCLEUS = LabelClass(1, "nucleus", "#e69f00", "n")
VESSEL = LabelClass(2, "vessel", "#56b4e9")


def test_a_numbered_table_has_plain_names_and_different_colours():
    table = ClassTable.numbered([3, 1])
    assert table.numbers == (1, 3)
    assert table.names == ("class 1", "class 3")
    assert table.colour_of(1) != table.colour_of(3) != table.colour_of(BACKGROUND)


def test_the_largest_table_has_a_colour_for_each_class():
    assert len(ClassTable.numbered(range(1, 255)).classes) == 254


def test_changes_give_new_tables():
    table = ClassTable((NUCLEUS,))
    assert table.renamed(1, "nuclei").names == ("nuclei",)
    assert table.renamed(1, "nuclei")[1].key == "n"
    assert table.without(1).numbers == ()
    assert table.names == ("nucleus",)


def test_json_gives_back_the_table():
    table = ClassTable((NUCLEUS, VESSEL))
    assert ClassTable.from_json(json.loads(json.dumps(table.to_json()))) == table


@pytest.mark.parametrize("number", [0, 255, -1, True])
def test_a_number_outside_1_to_254_is_refused(number):
    with pytest.raises(UserError, match="1 to 254"):
        LabelClass(number, "nucleus", "#e69f00")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "a" * 81])
def test_a_name_that_cannot_be_shown_in_one_line_is_refused(name):
    with pytest.raises(UserError, match="printable"):
        LabelClass(1, name, "#e69f00")


@pytest.mark.parametrize("colour", ["red", "#E69F00", "#e69f0", "#e69f00;", ""])
def test_a_colour_that_is_not_six_small_hex_digits_is_refused(colour):
    with pytest.raises(UserError, match="colour"):
        LabelClass(1, "nucleus", colour)


def test_a_key_of_two_characters_is_refused():
    with pytest.raises(UserError, match="one character or empty, got 'F1'"):
        LabelClass(1, "nucleus", "#e69f00", "F1")


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (LabelClass(1, "vessel", "#56b4e9"), "number 1"),
        (LabelClass(2, "nucleus", "#56b4e9"), "name 'nucleus'"),
        (LabelClass(2, "vessel", "#56b4e9", "n"), "key 'n'"),
    ],
)
def test_what_two_classes_share_is_named(other, what):
    with pytest.raises(UserError, match=what):
        ClassTable((NUCLEUS, other))


def test_classes_without_a_key_do_not_clash():
    table = ClassTable((VESSEL, LabelClass(3, "cell", "#009e73")))
    assert table.numbers == (2, 3)


def test_an_unknown_class_is_named():
    with pytest.raises(UserError, match=r"no class 7, only \[1\]"):
        ClassTable((NUCLEUS,)).colour_of(7)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "classes",
        {"1": "nucleus"},
        [1],
        [{"number": 1}],
        [{"number": "1", "name": "a", "colour": "#e69f00", "key": ""}],
        [{"number": 1, "name": "a", "colour": "#e69f00", "key": None}],
        [{"number": 300, "name": "a", "colour": "#e69f00", "key": ""}],
        [{}] * 1000,
    ],
)
def test_foreign_json_is_refused(data):
    with pytest.raises(UserError):
        ClassTable.from_json(data)


def test_the_first_nine_colours_and_the_background_can_be_told_apart():
    colours = [*PALETTE[:9], BACKGROUND_COLOUR]
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours])
    lab = rgb2lab(rgb[None] / 255)[0]

    differences = [deltaE_ciede2000(a, b) for a, b in combinations(lab, 2)]

    assert min(differences) > 18
