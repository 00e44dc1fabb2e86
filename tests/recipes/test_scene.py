from dataclasses import replace

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.recipes import Plan, Scene
from sparseseg.recipes.scene import mirrored
from sparseseg.recipes.three_view.slices import training_slices

SHAPE = (5, 6, 7)
WHOLE = Box.whole(SHAPE)


def plan(**changed) -> Plan:
    whole = Plan(
        recipe="three-view",
        outputs=(255, 1, 2),
        spacing=(2.0, 1.0, 1.0),
        unit="um",
        curves=(GreyCurve((0.0, 1000.0), (0.0, 1000.0)),),
        patch=(8, 8, 8),
        network={},
    )
    return replace(whole, **changed)


def volume(shape=SHAPE) -> Volume:
    return Volume.from_array(np.arange(np.prod(shape), dtype=float).reshape(shape))


def annotation():
    """Give one complete slice of background across z, and a scribble of both classes."""
    painted = np.zeros(SHAPE, np.uint8)
    painted[2] = 255
    painted[0, 1, 1:4] = 1
    painted[0, 2, 1:5] = 2
    return painted


def scene(painted=None) -> Scene:
    array = annotation() if painted is None else painted
    return Scene.of(plan(), volume(), SparseLabels(array))


def test_a_scene_without_annotation_has_no_targets():
    bare = Scene.of(plan(), volume())
    assert bare.slices == ()
    assert bare.counts == (0, 0, 0)
    assert (bare.target(WHOLE) == -1).all()
    assert not bare.guide(WHOLE).any()


def test_the_target_is_the_index_of_the_output_and_minus_one_elsewhere():
    index = np.full(256, -1)
    index[[255, 1, 2]] = 0, 1, 2
    np.testing.assert_array_equal(scene().target(WHOLE), index[annotation()])


@pytest.mark.parametrize(
    "box", [Box((0, 1, 2), (3, 4, 5)), Box((2, 0, 0), (3, 6, 7)), Box((3, 0, 0), SHAPE)]
)
def test_the_target_of_a_box_is_cut_from_that_of_the_volume(box):
    np.testing.assert_array_equal(
        scene().target(box), scene().target(WHOLE)[box.slices]
    )


def test_crossing_slices_share_the_target_where_they_cross():
    painted = np.zeros(SHAPE, np.uint8)
    painted[2], painted[:, 3], painted[:, :, 4] = 1, 1, 1
    assert (scene(painted).target(WHOLE) == 1).sum() == (painted == 1).sum()


def test_a_target_may_reach_beyond_the_volume_where_nothing_is_labelled():
    outer = WHOLE.expand((1, 2, 3))
    found = scene().target(outer)
    assert found.shape == outer.shape
    np.testing.assert_array_equal(found[1:-1, 2:-2, 3:-3], scene().target(WHOLE))
    assert (found >= 0).sum() == (annotation() > 0).sum()


def test_values_that_the_plan_does_not_know_are_unlabelled():
    painted = annotation()
    painted[0, 1, 1] = 9
    assert scene(painted).target(WHOLE)[0, 1, 1] == -1


def test_counts_are_those_of_labelled_pixels():
    assert scene().counts == (42, 3, 4)
    places = [place for plane in scene().places for place in plane[1]]
    assert sorted(places) == [8, 9, 10]


def test_without_a_slice_the_others_stay_as_they_are():
    whole = scene()
    dense = next(where for where in whole.slices if where.complete)
    less = whole.without([dense])
    assert dense not in less.slices
    assert len(less.slices) == len(whole.slices) - 1
    assert less.counts == (0, 3, 4)
    assert (less.target(WHOLE)[2] == -1).all()
    assert whole.counts == (42, 3, 4)


def test_seeing_measures_changed_slices_alone():
    painted = annotation()
    first = scene(painted)
    painted[0, 2, 5] = 2
    second = first.seeing(SparseLabels(painted))
    kept = [new is old for new, old in zip(second.planes, first.planes, strict=True)]
    assert [str(where) for where in second.slices] == ["z 0", "z 2"]
    assert kept == [False, True]
    assert second.counts == (42, 3, 5)


def test_a_slice_keeps_its_number_and_its_fold_when_another_joins():
    painted = np.zeros(SHAPE, np.uint8)
    painted[0], painted[2] = 255, 1
    first = scene(painted)
    assert [plane.number for plane in first.planes] == [0, 1]
    painted[1] = 255
    second = first.seeing(SparseLabels(painted))
    assert [str(where) for where in second.slices] == ["z 0", "z 1", "z 2"]
    assert [plane.number for plane in second.planes] == [0, 2, 1]
    assert [one.fold for one in training_slices([second])] == [0, 2, 1]
    held_out = second.without([second.slices[0]])
    assert [one.fold for one in training_slices([held_out])] == [2, 1]


def test_slices_of_two_volumes_go_to_different_folds():
    drawn = training_slices([scene(), scene()])
    assert [one.fold for one in drawn] == [0, 2, 1, 3]


def test_seeing_forgets_what_was_erased():
    painted = annotation()
    first = scene(painted)
    painted[2] = 0
    assert [str(where) for where in first.seeing(SparseLabels(painted)).slices] == [
        "z 0"
    ]


def test_a_repainted_slice_of_as_many_voxels_is_measured_again():
    painted = annotation()
    first = scene(painted)
    painted[2, 0, 0] = 1
    assert first.seeing(SparseLabels(painted)).counts == (41, 4, 4)


@pytest.mark.parametrize(
    ("start", "stop", "size", "indices"),
    [
        (-2, 6, 4, [2, 1, 0, 1, 2, 3, 2, 1]),
        (-4, 1, 2, [0, 1, 0, 1, 0]),
        (-2, 3, 1, [0, 0, 0, 0, 0]),
        (1, 3, 4, [1, 2]),
    ],
)
def test_borders_are_mirrored_without_repeating_the_edge(start, stop, size, indices):
    assert mirrored(start, stop, size).tolist() == indices


def test_grey_values_go_through_the_curve_and_are_mirrored_beyond_the_border():
    box = Box((-1, 0, 0), (2, 1, 2))
    expected = volume().array[0][np.ix_([1, 0, 1], [0], [0, 1])]
    np.testing.assert_allclose(scene().grey(box), expected[None])


def test_a_volume_with_other_channels_is_refused():
    two = Volume(np.zeros((2, *SHAPE)), name="pair")
    with pytest.raises(UserError, match=r"trained on 1 channel.* pair has 2"):
        Scene.of(plan(), two)
