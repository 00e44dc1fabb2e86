import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.evaluation.matching import (
    BINS,
    Nearest,
    binned,
    counted,
    dice,
    histogram,
    weights,
)


def test_a_voxel_is_as_far_as_the_nearest_plane_in_sides_of_a_voxel():
    nearest = Nearest.of((3, 4, 5), (2.0, 1.0, 1.0), [(0, 0), (2, 4)])
    found = nearest(Box.whole((3, 4, 5)))
    assert found[0].max() == 0
    assert found[1, 0].tolist() == [2, 2, 2, 1, 0]
    assert found[2, 0].tolist() == [4, 3, 2, 1, 0]


def test_the_histogram_counts_free_voxels_only():
    nearest = Nearest.of((2, 2, 2), (1.0, 1.0, 1.0), [(0, 0)])
    free = np.ones((2, 2, 2), bool)
    free[0] = False
    free[1, 0, 0] = False
    assert histogram(nearest, free).tolist() == [0, 3, *[0] * (BINS - 2)]


def test_voxels_on_a_plane_that_was_learned_from_do_not_count():
    told, truth = np.array([1, 1, 0]), np.array([1, 0, 0])
    found = counted(told, truth, np.array([0.0, 1.0, 2.0]), 2)
    assert found[binned(np.array([1.0])), 1].tolist() == [[0, 1, 0]]
    assert found[:, :, 2].sum() == 2


def test_each_bin_weighs_as_much_as_it_has_of_the_wanted_voxels():
    held_out = np.array([0.0, 1000, 3000, *[0] * (BINS - 3)])
    wanted = np.array([0.0, 50, 50, *[0] * (BINS - 3)])
    found = weights(held_out, wanted)
    assert found[1] == pytest.approx(2)
    assert found[2] == pytest.approx(2 / 3)


def test_a_bin_with_few_voxels_joins_the_next():
    held_out = np.array([10.0, 990, 1000, *[0] * (BINS - 3)])
    wanted = np.array([90.0, 10, 100, *[0] * (BINS - 3)])
    found = weights(held_out, wanted)
    assert found[0] == found[1] == pytest.approx(1)


def test_a_far_bin_without_held_out_voxels_gives_its_share_to_its_neighbour():
    held_out = np.array([0.0, 500, 500, *[0] * (BINS - 3)])
    wanted = np.array([0.0, 100, 100, *[0] * (BINS - 4), 200])
    found = weights(held_out, wanted)
    assert (found * held_out).sum() == pytest.approx(held_out.sum())
    assert found[2] == pytest.approx(3 * found[1])


def test_slices_are_pooled_and_never_averaged():
    counts = np.zeros((2, BINS, 2, 3))
    counts[0, 1, 1] = 300, 300, 300
    counts[1, 1, 1] = 0, 0, 100
    wanted = np.zeros(BINS)
    wanted[1] = 1
    assert dice(counts, wanted)[1] == pytest.approx(2 * 300 / 700)
    assert np.isnan(dice(counts, wanted)[0])


def test_matched_distances_find_the_dice_that_plain_slices_miss():
    """Near voxels are right and far ones are wrong; most held-out voxels are far."""
    rng = np.random.default_rng(0)
    far = rng.random(20_000) < 0.8
    truth = rng.integers(0, 2, 20_000)
    is_wrong = rng.random(20_000) < np.where(far, 0.3, 0.05)
    told = np.where(is_wrong, 1 - truth, truth)
    counts = counted(told, truth, np.where(far, 10.0, 1.0), 2)[None]
    wanted = np.zeros(BINS)
    wanted[binned(np.array([1.0, 10.0]))] = 0.7, 0.3
    plain, matched = (dice(counts, w)[1] for w in (counts.sum((0, 2))[:, 2], wanted))
    assert matched == pytest.approx(1 - 0.7 * 0.05 - 0.3 * 0.3, abs=0.01)
    assert plain < matched - 0.08
