"""Each rule on a miniature whose answer is seen by eye, and what holds for all rules."""

import numpy as np
import pytest
from scipy import ndimage

from sparseseg.errors import UserError
from sparseseg.postprocessing import PRESETS, clean, read_rules
from sparseseg.settings.cards import CARDS
from tests.postprocessing.drawing import drawn, text


def test_two_kidneys_stay_and_a_false_third_goes():
    labels = drawn(
        "111......",
        "111......",
        ".......11",
        "1......11",
        "1......11",
    )
    assert text(clean(labels, "keep 2 largest of 1")) == [
        "111......",
        "111......",
        ".......11",
        ".......11",
        ".......11",
    ]


def test_voxels_that_share_a_corner_hang_together():
    labels = drawn("1...", ".1..", "...1")
    assert text(clean(labels, "keep 1 largest of 1")) == ["1...", ".1..", "...."]


def test_of_components_of_one_size_the_first_stays():
    labels = np.zeros((3, 3, 5), np.uint8)
    labels[0, 2, 4] = labels[1, 0, 2] = labels[2, 0, 0] = 1
    for array in (labels, np.asfortranarray(labels)):
        kept = np.argwhere(clean(array, "keep 2 largest of 1"))
        assert kept.tolist() == [[0, 2, 4], [1, 0, 2]]


def test_fewer_components_than_asked_for_all_stay():
    labels = drawn("1.1")
    assert text(clean(labels, "keep 3 largest of 1")) == ["1.1"]


def test_a_region_of_two_classes_is_one_component():
    """The kidney with its tumour has 4 voxels, the other kidney 3, the false one 2."""
    labels = drawn("12..111", "12.....", ".......", "22.....")
    cleaned = clean(labels, "keep 2 largest of 1 or 2")
    assert text(cleaned) == ["12..111", "12.....", ".......", "......."]


def test_a_tumour_away_from_a_kidney_goes():
    labels = drawn("11..2", "1..22", "2....")
    assert text(clean(labels, "keep 2 touching 1")) == ["11...", "1....", "2...."]


def test_a_tumour_touches_by_a_corner_and_in_all_directions():
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1], labels[3, 1, 1] = 1, 2, 2
    cleaned = clean(labels, "keep 2 touching 1")
    assert (cleaned[1, 1, 1], cleaned[3, 1, 1]) == (2, 0)


def test_where_there_is_nothing_to_touch_nothing_stays():
    assert text(clean(drawn("22.3"), "keep 2 touching 1")) == ["...3"]


def test_voxels_too_far_from_an_organ_go_one_by_one():
    labels = drawn("122222")
    cleaned = clean(labels, "keep 2 within 3 voxels of 1")
    assert text(cleaned) == ["1222.."]


@pytest.mark.parametrize(
    ("rule", "unit"),
    [
        ("keep 2 within 0.3 um of 1", "um"),
        ("keep 2 within 300 nm of 1", "um"),
        ("keep 2 within 0.0003 mm of 1", "um"),
    ],
)
def test_a_distance_is_in_any_unit_of_length(rule, unit):
    cleaned = clean(drawn("122222"), rule, spacing=(1, 1, 0.1), unit=unit)
    assert text(cleaned) == ["1222.."]


def test_a_distance_knows_the_direction():
    labels = np.full((4, 4, 4), 2, np.uint8)
    labels[0, 0, 0] = 1
    cleaned = clean(labels, "keep 2 within 2 mm of 1", spacing=(2, 1, 3), unit="mm")
    assert np.argwhere(cleaned == 2).tolist() == [[0, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_without_the_organ_nothing_is_near_it():
    assert text(clean(drawn("22.3"), "keep 2 within 9 voxels of 1")) == ["...3"]


def test_what_is_not_probable_enough_goes_and_nothing_comes():
    labels = drawn("12221")
    probability = np.array([[[0.95, 0.95, 0.9, 0.89, 0.1]]])
    cleaned = clean(labels, "keep 2 above 0.9", probabilities={2: probability})
    assert text(cleaned) == ["122.1"]


def test_small_components_go_in_each_class_by_itself():
    labels = drawn("112.2", "....2")
    assert text(clean(labels, "drop below 2 voxels")) == ["11..2", "....2"]


def test_small_components_go_in_the_class_that_is_named():
    labels = drawn("11..2", "....2", "1...3")
    assert text(clean(labels, "drop 1 below 2 voxels")) == ["11..2", "....2", "....3"]
    cleaned = clean(labels, "drop 2 or 3 below 4 voxels")
    assert text(cleaned) == ["11...", ".....", "1...."]


def test_a_component_of_the_very_size_stays():
    """200 voxels of 0.1 x 0.1 x 0.5 mm are 1 mm3, and 199 are less."""
    labels = np.zeros((2, 10, 21), np.uint8)
    labels[:, :, :10] = 1
    labels[:, :, 11:] = 1
    labels[0, 0, 11] = 0
    cleaned = clean(labels, "drop 1 below 1 mm3", spacing=(0.5, 0.1, 0.1), unit="mm")
    assert (cleaned[:, :, :10] == 1).all()
    assert not cleaned[:, :, 11:].any()


def test_a_volume_is_in_any_unit_of_length():
    labels = drawn("11.1")
    for rule in ("drop below 2000 um3", "drop below 0.000002 mm3"):
        cleaned = clean(labels, rule, spacing=(10, 10, 10), unit="um")
        assert text(cleaned) == ["11.."]


def test_holes_are_what_no_face_leads_out_of():
    """A ring in a plane has no hole, a shell in space has."""
    shell = np.ones((3, 3, 3), np.uint8)
    shell[1, 1, 1] = 0
    assert clean(shell, "fill holes of 1")[1, 1, 1] == 1
    ring = drawn("111", "1.1", "111")
    assert text(clean(ring, "fill holes of 1")) == text(ring)
    open_by_a_face = shell.copy()
    open_by_a_face[0, 1, 1] = 0
    assert clean(open_by_a_face, "fill holes of 1")[1, 1, 1] == 0
    open_by_a_corner = shell.copy()
    open_by_a_corner[0, 0, 0] = 0
    assert clean(open_by_a_corner, "fill holes of 1")[1, 1, 1] == 1


def shell_of(outer, inner):
    labels = np.full((5, 5, 5), outer, np.uint8)
    labels[1:4, 1:4, 1:4] = inner
    return labels


def test_a_tumour_in_a_hole_stays_what_it_is():
    labels = shell_of(1, 0)
    labels[2, 2, 2] = 2
    cleaned = clean(labels, "fill holes of 1")
    assert cleaned[2, 2, 2] == 2
    assert (cleaned == 1).sum() == 124


def test_what_a_tumour_encloses_is_tumour_if_that_is_said():
    labels = np.zeros((7, 7, 7), np.uint8)
    labels[1:6, 1:6, 1:6] = shell_of(2, 1)
    labels[3, 3, 3] = 0
    assert (clean(labels, "fill holes of 2") == 2).sum() == 125 - 26
    assert (clean(labels, "fill holes of 2 over 1") == 2).sum() == 125


def test_holes_of_a_region_become_its_first_class():
    labels = shell_of(1, 0)
    labels[0] = 2
    assert clean(labels, "fill holes of 1 or 2")[2, 2, 2] == 1
    assert clean(labels, "fill holes of 2 or 1")[2, 2, 2] == 2
    assert clean(labels, "fill holes of 1")[2, 2, 2] == 0


def test_the_rules_of_kits_are_its_reading_to_the_letter():
    """Two kidneys, a tumour on one; a third organ and a tumour on its own."""
    labels = drawn(
        "1112..111",
        "1122..111",
        ".........",
        "11..22...",
        "11..222..",
    )
    cleaned = clean(labels, "mssunet")
    assert text(cleaned) == ["1112..111", "1122..111", *["........."] * 3]


def test_a_large_tumour_alone_may_be_kept_as_an_organ_and_then_goes():
    labels = drawn("111.2222", "111.2222", "........", "11......")
    assert text(clean(labels, "mssunet")) == ["111.....", "111.....", *["........"] * 2]


def test_the_rules_of_lits_leave_one_liver_without_holes():
    """Labels are the larger probability; a doubtful tumour becomes the liver it is in."""
    labels = np.zeros((7, 7, 12), np.uint8)
    labels[1:6, 1:6, 1:6] = 1
    labels[2:4, 3, 3] = 2
    labels[3, 3, 8:11] = 2
    tumour = np.where(labels == 2, 0.95, 0.0)
    tumour[3, 3, 3] = 0.8
    liver = np.where(labels == 1, 0.9, 0.0)
    cleaned = clean(labels, "hdenseunet", probabilities={1: liver, 2: tumour})
    wanted = np.zeros_like(labels)
    wanted[1:6, 1:6, 1:6] = 1
    wanted[2, 3, 3] = 2
    np.testing.assert_array_equal(cleaned, wanted)


# What holds for every rule, on ragged labels.

RULES = (
    "keep 2 largest of 1",
    "keep 1 largest of 1 or 2",
    "keep 2 touching 1",
    "keep 2 within 1.5 voxels of 1 or 3",
    "keep 2 above 0.5",
    "drop below 9 voxels",
    "drop 1 or 3 below 20 voxels",
    "fill holes of 1",
    "fill holes of 2 or 1 over 3",
)


def ragged(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(4, 9, 14, 11)), (0, 1, 1, 1))
    return noise.argmax(0).astype(np.uint8), rng.random((9, 14, 11))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_changes_only_what_it_may_and_nothing_the_second_time(rule, seed):
    labels, probability = ragged(seed)
    before = labels.copy()
    given = {"probabilities": {2: probability}}
    once = clean(labels, rule, **given)
    changed = once != labels
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(clean(once, rule, **given), once)
    if rule.startswith("fill"):
        assert set(once[changed]) <= {1, 2}
        assert set(labels[changed]) <= {0, 3}
    else:
        assert set(once[changed]) <= {0}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_depend_on_where_a_volume_is_cut_off_in_empty_space(rule):
    labels, probability = ragged(0)
    labels[[0, -1]] = labels[:, [0, -1]] = labels[:, :, [0, -1]] = 0
    wide, wide_probability = np.pad(labels, 3), np.pad(probability, 3)
    alone = clean(labels, rule, probabilities={2: probability})
    padded = clean(wide, rule, probabilities={2: wide_probability})
    np.testing.assert_array_equal(padded[3:-3, 3:-3, 3:-3], alone)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 6, 5), (3, 1, 4)])
def test_a_rule_takes_volumes_of_any_shape_with_and_without_labels(rule, shape):
    probabilities = {2: np.ones(shape)}
    for labels in (np.zeros(shape, np.uint8), np.ones(shape, np.uint8)):
        cleaned = clean(labels, rule, probabilities=probabilities)
        assert cleaned.shape == shape
        assert cleaned.dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 7, 9), (3, 3, 3), (5, 7, 1)])
def test_as_many_components_as_there_can_be_are_told_apart(shape):
    labels = np.zeros(shape, np.uint8)
    labels[::2, ::2, ::2] = 1
    kept = clean(labels, "keep 2 largest of 1")
    assert kept.sum() == 2
    assert kept[0, 0, 0] == 1
    assert not clean(labels, "drop below 2 voxels").any()


@pytest.mark.parametrize("seed", range(3))
def test_components_and_holes_are_those_of_scipy(seed):
    labels, _ = ragged(seed)
    parts, count = ndimage.label(labels == 1, np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(labels == 1, parts, range(1, count + 1))
    small = np.isin(parts, 1 + np.flatnonzero(sizes < 5))
    wanted = np.where(small, 0, labels)
    np.testing.assert_array_equal(clean(labels, "drop 1 below 5 voxels"), wanted)
    filled = ndimage.binary_fill_holes(labels == 1) & (labels == 0)
    wanted = np.where(filled, 1, labels)
    np.testing.assert_array_equal(clean(labels, "fill holes of 1"), wanted)


def test_rules_apply_in_their_order():
    """Filled first, the ring is the larger one; dropped first, it is not."""
    labels = np.zeros((3, 3, 9), np.uint8)
    labels[:, :, :3] = 1
    labels[1, 1, 1] = 0
    labels[:, :, 4:7] = 1
    labels[0, 0, 4] = 0
    labels[:, :, 4:7][1, 1, 2] = 1
    fill, keep = "fill holes of 1", "keep 1 largest of 1"
    assert clean(labels, [fill, keep])[0, 0, 0] == 1
    labels[0, 0, 7] = 1
    assert clean(labels, [fill, keep])[1, 1, 1] == 1
    assert clean(labels, [keep, fill])[1, 1, 1] == 0


def test_rules_can_be_given_as_words_or_as_rules():
    labels = drawn("1.11")
    (rule,) = read_rules("keep 1 largest of 1")
    assert text(clean(labels, [rule])) == text(clean(labels, [str(rule)])) == ["..11"]


def test_the_presets_are_of_recipes():
    assert set(PRESETS) <= set(CARDS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 2), np.uint8), "axes z, y, x, got uint8 of shape"),
        (np.zeros((2, 2, 2)), "must be integers"),
        (np.zeros((0, 2, 2), np.uint8), "got uint8 of shape"),
    ],
)
def test_other_arrays_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        clean(labels, "drop below 2 voxels")


def test_probabilities_of_another_volume_are_refused():
    probabilities = {2: np.ones((1, 1, 2))}
    with pytest.raises(UserError, match="of class 2 have shape"):
        clean(drawn("2"), "keep 2 above 0.9", probabilities=probabilities)


def test_a_spacing_that_cannot_be_is_refused():
    with pytest.raises(UserError, match="spacing must be above 0"):
        clean(drawn("2"), "drop below 1 mm3", spacing=(1, 0, 1), unit="mm")


def test_a_unit_is_known_by_its_other_spellings():
    cleaned = clean(drawn("11.1"), "drop below 2 um3", unit="micrometer")
    assert text(cleaned) == ["11.."]


def test_missing_probabilities_are_said():
    message = "'keep 2 above 0.9' needs the probabilities of class 2"
    with pytest.raises(UserError, match=message):
        clean(drawn("2"), "keep 2 above 0.9")


@pytest.mark.parametrize("rule", ["drop below 5 mm3", "keep 2 within 5 mm of 1"])
def test_an_amount_that_the_volume_cannot_tell_is_refused_before_any_rule(rule):
    with pytest.raises(UserError, match="give the amount in voxels"):
        clean(drawn("2"), ["keep 2 above 0.9", rule])
