import numpy as np
import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.errors import UserError
from sparseseg.widgets.class_model import ClassModel, colormap_of, keys_of, names_in


@pytest.fixture
def model() -> ClassModel:
    return ClassModel()


def test_it_starts_with_one_class(model):
    assert model.table.numbers == (1,)


def test_a_new_class_takes_the_smallest_free_number(model):
    model.replace(ClassTable.numbered([1, 3]))

    assert model.add() == 2
    assert model.table.numbers == (1, 2, 3)


def test_every_change_is_told(model):
    told = []
    model.changed.connect(told.append)

    model.add()
    model.rename(2, " membrane ")
    model.recolour(1, "#123456")
    model.remove(1, painted=0)

    assert [table.names for table in told] == [
        ("class 1", "class 2"),
        ("class 1", "membrane"),
        ("class 1", "membrane"),
        ("membrane",),
    ]
    assert told[2].colour_of(1) == "#123456"


def test_classes_that_are_there_are_not_added_again(model):
    told = []
    model.changed.connect(told.append)

    model.include([1])

    assert not told


def test_a_painted_class_stays(model):
    model.add()

    with pytest.raises(UserError, match="'class 2' is painted on 1,200 voxels"):
        model.remove(2, painted=1200)


def test_the_last_class_stays(model):
    with pytest.raises(UserError, match="only class"):
        model.remove(1, painted=0)


def test_there_are_no_more_than_254_classes(model):
    model.include(range(1, 255))

    with pytest.raises(UserError, match="254"):
        model.add()


def test_unlabelled_is_clear_and_background_is_faint():
    colours = colormap_of(ClassTable.numbered([1])).map(np.array([0, 1, 255, 7]))

    assert colours[:, 3].tolist() == pytest.approx([0, 1, 0.18, 0], abs=0.01)


def test_digits_go_to_the_classes_in_turn_and_0_to_the_background():
    assert keys_of(ClassTable.numbered([2, 5])) == {
        2: "Shift+1",
        5: "Shift+2",
        255: "Shift+0",
    }


def test_a_key_of_its_own_comes_first_and_no_key_is_given_twice():
    table = ClassTable(
        (LabelClass(1, "a", "#000000"), LabelClass(2, "b", "#000000", key="1"))
    )

    assert keys_of(table) == {1: "Shift+2", 2: "Shift+1", 255: "Shift+0"}


def test_the_tenth_class_has_no_key():
    assert 10 not in keys_of(ClassTable.numbered(range(1, 11)))


def test_names_go_to_plain_classes_and_then_to_new_ones(model):
    model.replace(ClassTable.numbered([1, 2, 5]))
    model.rename(2, "liver")

    assert model.name_all(["spine", "liver", "lung", "heart", "lung"]) == 3

    assert [(c.number, c.name) for c in model.table.classes] == [
        (1, "spine"),
        (2, "liver"),
        (3, "heart"),
        (5, "lung"),
    ]
    assert model.table[3].colour == ClassTable.numbered([3])[3].colour


def test_names_that_are_refused_change_nothing(model):
    before = model.table
    with pytest.raises(UserError, match="1 to 80 printable"):
        model.name_all(["liver", "n" * 81])
    with pytest.raises(UserError, match="255 names are too many"):
        model.name_all(f"organ {number}" for number in range(255))
    assert model.table is before


def test_names_are_lines_cells_or_between_commas():
    assert names_in(" liver \r\n\r\nlobe, left\n") == ["liver", "lobe, left"]
    assert names_in("liver\tspine") == ["liver", "spine"]
    assert names_in("liver, spine;lung,") == ["liver", "spine", "lung"]
    with pytest.raises(UserError, match="no names to paste"):
        names_in(" \n")
