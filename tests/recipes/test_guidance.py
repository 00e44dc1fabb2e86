import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.slices import AnnotatedSlice
from sparseseg.recipes.guidance import Guidance, guide_plane

CUBE = (1.0, 1.0, 1.0)
CPU = torch.device("cpu")


def plane(target, *, axis=0, index=0, anisotropy=CUBE, k=2):
    target = np.array(target, np.int16)
    labelled = target >= 0
    where = AnnotatedSlice(axis, index, int(labelled.sum()), bool(labelled.all()))
    return guide_plane(where, target, anisotropy, k, CPU)


def test_inside_is_the_distance_to_the_other_class_less_that_to_its_own():
    found = plane([[0, 0, 0, 1, 1]])
    to_own, to_other = np.array([0, 0, 0, 1, 2]), np.array([3, 2, 1, 0, 0])
    np.testing.assert_allclose(
        found.inside[0, 0], np.tanh((to_other - to_own) / 6), rtol=1e-6
    )
    np.testing.assert_allclose(found.inside[1], -found.inside[0])


def test_of_three_classes_the_nearest_other_counts():
    found = plane([[0, 1, 2]], k=3)
    np.testing.assert_allclose(
        found.inside[:, 0],
        np.tanh(np.array([[1, -1, -2], [-1, 1, -1], [-2, -1, 1]]) / 6),
    )


def test_a_class_that_is_not_in_the_slice_is_far_away():
    found = plane([[0, 0]])
    np.testing.assert_array_equal(found.inside[:, 0], [[1, 1], [-1, -1]])


@pytest.mark.parametrize(("axis", "side"), [(0, 3.0), (1, 3.0), (2, 2.0)])
def test_distances_in_a_plane_count_the_voxel_sides_of_its_own_axes(axis, side):
    found = plane([[0, 1]], axis=axis, anisotropy=(1.0, 2.0, 3.0))
    np.testing.assert_allclose(found.inside[0, 0], np.tanh([side / 6, -side / 6]))


def test_only_an_incomplete_plane_measures_to_its_nearest_label():
    assert plane([[0, 1]]).distance is None
    np.testing.assert_allclose(plane([[0, -1, -1]]).distance, [[0, 1, 4]])


def test_without_slices_there_is_no_guidance():
    guide = Guidance(CUBE, [], 2, CPU)(Box.whole((2, 3, 4)))
    assert guide.shape == (3, 2, 3, 4)
    assert not guide.any()


def test_a_slice_is_carried_along_its_normal_and_fades_in_nearness():
    one = plane([[0, 1]], index=1)
    near, *inside = Guidance((2.0, 1.0, 1.0), [one], 2, CPU)(Box.whole((4, 1, 2)))
    np.testing.assert_allclose(near[:, 0, 0], [3 / 5, 1, 3 / 5, 3 / 7])
    for z in range(4):
        np.testing.assert_allclose(torch.stack(inside)[:, z], one.inside, rtol=1e-6)


def test_two_slices_are_averaged_by_inverse_square_distance():
    first, second = plane([[0]], index=0), plane([[1]], index=3)
    guide = Guidance(CUBE, [first, second], 2, CPU)(Box((1, 0, 0), (2, 1, 1)))
    # At distances 1 and 2 the weights are 1 / 1.5 and 1 / 4.5, and the values 1 and -1.
    np.testing.assert_allclose(guide[1:].ravel(), [0.5, -0.5], rtol=1e-5)


def test_an_incomplete_slice_counts_less_away_from_its_labels():
    whole = plane([[1, 1, 1]], index=2)
    dot = plane([[0, -1, -1]], index=0)
    guide = Guidance(CUBE, [whole, dot], 2, CPU)(Box((1, 0, 0), (2, 1, 3)))[1, 0, 0]
    np.testing.assert_allclose(guide, [0, -1 / 4, -4 / 7], atol=1e-4)


def test_a_box_is_guided_as_in_the_whole_volume():
    rng = np.random.default_rng(0)
    planes = [
        plane(rng.integers(-1, 2, (6, 7)), axis=0, index=2),
        plane(rng.integers(-1, 2, (5, 7)), axis=1, index=1),
        plane(rng.integers(0, 2, (5, 6)), axis=2, index=6),
    ]
    guidance = Guidance(CUBE, planes, 2, CPU)
    box = Box((1, 0, 3), (4, 5, 7))
    np.testing.assert_allclose(
        guidance(box), guidance(Box.whole((5, 6, 7)))[(slice(None), *box.slices)]
    )
