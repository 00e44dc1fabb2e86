import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.errors import UserError
from sparseseg.postprocessing import needs_probabilities, read_rules
from sparseseg.postprocessing.amounts import Length, Size
from sparseseg.postprocessing.grammar import FORMS
from sparseseg.postprocessing.rules import (
    DropBelow,
    FillHoles,
    KeepAbove,
    KeepLargest,
    KeepTouching,
    KeepWithin,
)

TABLE = ClassTable(
    (
        LabelClass(1, "kidney", "#e69f00"),
        LabelClass(2, "tumour", "#56b4e9"),
        LabelClass(3, "left or right lung", "#56b4e9"),
        LabelClass(4, "class 4", "#56b4e9"),
    )
)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("keep 2 largest of kidney", KeepLargest(2, (1,))),
        ("keep 2 largest of kidney or tumour", KeepLargest(2, (1, 2))),
        ("keep 1 largest of left or right lung", KeepLargest(1, (3,))),
        ("keep 1 largest of class 4 or 2", KeepLargest(1, (4, 2))),
        ("keep tumour touching kidney", KeepTouching((2,), (1,))),
        ("keep class 4 touching 1 or 2", KeepTouching((4,), (1, 2))),
        (
            "keep tumour within 5 mm of kidney",
            KeepWithin((2,), Length(5, "mm"), (1,)),
        ),
        (
            "keep tumour within 2 voxels of kidney or 4",
            KeepWithin((2,), Length(2, "voxels"), (1, 4)),
        ),
        ("keep tumour above 0.9", KeepAbove(2, 0.9)),
        ("keep class 4 above .5", KeepAbove(4, 0.5)),
        ("drop below 50 mm3", DropBelow(Size(50, "mm"))),
        ("drop below 0.5 \u00b5m\u00b3", DropBelow(Size(0.5, "um"))),
        ("drop kidney below 1 voxel", DropBelow(Size(1, "voxels"), (1,))),
        ("drop kidney or tumour below 2cm3", DropBelow(Size(2, "cm"), (1, 2))),
        ("fill holes of kidney", FillHoles((1,))),
        ("  fill   holes of kidney over tumour ", FillHoles((1,), (2,))),
    ],
)
def test_each_form_becomes_its_rule_and_can_be_written_again(words, rule):
    assert read_rules(words, TABLE) == (rule,)
    assert read_rules(str(rule), TABLE) == (rule,)


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_that_are_shown_are_understood(form):
    assert read_rules(form.replace("A", "kidney").replace("B", "tumour"), TABLE)


def test_numbers_need_no_table():
    assert read_rules("keep 7 touching 9") == (KeepTouching((7,), (9,)),)


def test_the_name_of_a_recipe_stands_for_the_rules_of_its_paper():
    assert read_rules(["mssunet", "drop below 5 voxels"], TABLE) == (
        KeepLargest(2, (1, 2)),
        KeepTouching((2,), (1,)),
        DropBelow(Size(5, "voxels")),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "keep kidney",
            "there is no rule 'keep kidney': write one like keep 2 largest",
        ),
        ("", "there is no rule ''"),
        ("drop below 50", "there is no rule"),
        ("drop below 50 mm", "there is no rule"),
        ("keep 2 within 5 mm3 of 1", "there is no rule"),
        ("keep 0 largest of 1", "keep 1 or more largest components, got 0"),
        ("keep 1 largest of 9", r"there is no class 9, only \[1, 2, 3, 4\]"),
        ("keep 1 largest of 300", "a class number is 1 to 254, got 300"),
        ("keep 1 largest of 0", "a class number is 1 to 254, got 0"),
        ("keep 1 largest of liver", "no class called 'liver', the names are kidney, "),
        ("keep 1 touching 1 or 2", "class 1 is on both sides of a rule"),
        ("fill holes of 1 over 1", "class 1 is on both sides"),
        ("keep 2 within 2 mm of 2", "class 2 is on both sides"),
        ("drop below 0 mm3", "an amount must be more than 0, got 0 mm3"),
        ("keep 2 within 0 mm of 1", "an amount must be more than 0, got 0 mm"),
        ("keep 2 above 1.5", "more than 0 and at most 1, got 1.5"),
        ("keep 2 above 90%", "there is no rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_way_to_mend_it(words, message):
    with pytest.raises(UserError, match=message):
        read_rules([words], TABLE)


def test_a_name_without_a_table_is_refused():
    with pytest.raises(UserError, match="the names are none: give its number"):
        read_rules("fill holes of kidney")


def test_a_mistake_is_told_with_its_line():
    with pytest.raises(UserError, match=r"^'fill holes of liver': there is no class"):
        read_rules(["drop below 5 mm3", "fill holes of liver"], TABLE)


def test_only_some_rules_need_probabilities():
    assert needs_probabilities(read_rules("hdenseunet"))
    assert not needs_probabilities(read_rules("mssunet"))
