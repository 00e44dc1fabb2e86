import numpy as np
import pytest

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.advice import advice, reason
from sparseseg.engine.sparing import spared
from sparseseg.progress import Score
from sparseseg.recipes import Scene
from tests.miniature import fresh_model, painted

SHAPE = (16, 12, 10)
TABLE = ClassTable(
    (LabelClass(1, "liver", "#e69f00"), LabelClass(2, "lesion", "#56b4e9"))
)


def across_z(*indices, lesion_on=()):
    """Paint whole slices of liver and background, and a lesion on some of them."""
    annotation = np.zeros(SHAPE, np.uint8)
    for index in indices:
        annotation[index] = 255
        annotation[index, 3:9, 3:9] = 1
        if index in lesion_on:
            annotation[index, 5:7, 5:7] = 2
    return annotation


def scene(annotation):
    labelled = painted(annotation)
    return Scene.of(fresh_model(labelled).plan, *labelled)


def names(slices):
    return [str(where) for where in slices]


def test_a_slice_that_alone_shows_a_class_is_not_spared():
    found = spared([scene(across_z(2, 5, 8, 11, 14, lesion_on=[8]))], 0)
    assert names(found) == ["z 5"]


@pytest.mark.parametrize(
    ("across_y", "learned", "spares"),
    [
        ((3, 5, 8), [0, 1, 2], "z 8"),
        ((3, 5, 8), [0, 2], "y 5"),
        ((3, 5), [0, 2], "z 8"),  # the others would show too little
    ],
)
def test_slices_that_nothing_is_learned_from_are_spared_first(
    across_y, learned, spares
):
    annotation = across_z(2, 5, 8, 11, 14)
    for index in across_y:
        annotation[:, index] = np.maximum(annotation[:, index], 1)
    assert names(spared([scene(annotation)], 0, learned=learned)) == [spares]


def test_where_none_of_those_can_be_spared_another_one_is():
    annotation = across_z(2, 5, 8, 11, 14)
    for index in (3, 5, 8):
        annotation[:, index] = np.maximum(annotation[:, index], 1)
    annotation[9:11, 5, 3:9] = 2  # on the middle one across y alone
    assert names(spared([scene(annotation)], 0, learned=[0, 2])) == ["z 8"]


def test_where_only_the_middle_of_three_shows_a_class_none_is_spared():
    scenes = [scene(across_z(2, 8, 14, lesion_on=[8]))]
    assert not spared(scenes, 0)
    assert reason(scenes, TABLE) == (
        "There is no score yet: lesion is on slice z 8 only, so no slice can be held out."
    )


def test_a_class_may_stay_on_a_slice_of_another_volume():
    one = scene(across_z(2, 8, 14, lesion_on=[8]))
    other = scene(across_z(3, lesion_on=[3]))
    assert names(spared([one, other], 0)) == ["z 8"]


def test_a_few_pixels_where_slices_cross_do_not_stand_for_a_class():
    annotation = across_z(2, 8, 14, lesion_on=[8])
    annotation[:, 5] = np.where(annotation[:, 5] > 0, annotation[:, 5], 255)
    annotation[8, 4:8, 2:8] = 2
    annotation[:, 5][:8] = annotation[:, 5][9:] = 255
    annotation[8, 5] = np.where(annotation[8, 5] == 2, 2, 255)
    annotation[8, 5, 3:] = 255
    assert not spared([scene(annotation)], 0)


def test_a_slice_that_became_the_only_one_of_a_class_is_given_back():
    annotation = across_z(2, 5, 8, 11, 14)
    labels = SparseLabels(annotation)
    volume, _ = painted(annotation)
    first = Scene.of(fresh_model((volume, labels)).plan, volume, labels)
    old = spared([first], 0)
    assert names(old) == ["z 8"]
    later = scene(across_z(2, 5, 8, 11, 14, lesion_on=[8]))
    assert names(spared([later], 0, old)) == ["z 5"]


def bad(iou=0.3):
    return Score(
        1,
        1.0,
        {"network": {"mean_iou": iou, "iou": {}}},
        ("z 8",),
        worths={"network": iou},
    )


def test_slices_of_one_orientation_and_a_bad_score_call_for_another_orientation():
    scenes = [scene(across_z(2, 8, 14, lesion_on=[2, 8]))]
    assert advice(scenes, TABLE, bad()) == (
        "Slices across y or x would help most: all annotated slices are across z."
    )
    assert advice(scenes, TABLE, bad(0.9)) == ""


def test_a_class_on_one_slice_only_is_to_be_painted_on_another():
    scenes = [scene(across_z(2, 8, 14, lesion_on=[8]))]
    assert advice(scenes, TABLE, bad()) == (
        "Paint lesion on another slice as well: it is on slice z 8 only."
    )


@pytest.mark.parametrize(
    ("indices", "words"),
    [((4,), "now there is 1."), ((4, 9), "now there are at most 2.")],
)
def test_too_few_slices_are_the_reason_for_no_score(indices, words):
    assert reason([scene(across_z(*indices))], TABLE).endswith(words)
