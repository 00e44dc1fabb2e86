import numpy as np

from sparseseg.evaluation.gain import CoarseGrid, best_planes, distance_of

EVEN = (1.0, 1.0, 1.0)
CUBE = CoarseGrid.of((20, 20, 20), EVEN)
LINE = CoarseGrid.of((20, 1, 1), EVEN)


def test_the_first_slice_is_in_the_middle():
    ((axis, index),) = best_planes(CUBE, None, [], 1)
    assert axis == 0
    assert 9 <= index <= 10


def test_the_largest_gap_is_closed_first():
    known = [(0, 0), (0, 4), (0, 19)]
    ((axis, index),) = best_planes(LINE, None, known, 1)
    assert axis == 0
    assert 10 <= index <= 13


def test_a_gap_is_closed_once():
    known = [(0, 0), (0, 19)]
    found = best_planes(LINE, None, known, 3)
    indices = sorted(index for _, index in found)
    assert len(set(indices)) == 3
    assert min(np.diff([0, *indices, 19])) >= 2


def test_nothing_is_suggested_that_is_annotated():
    known = [(0, index) for index in range(4)]
    assert best_planes(CoarseGrid.of((4, 1, 1), EVEN), None, known, 3) == []


def test_expected_errors_draw_a_slice_to_them():
    error = np.zeros(CUBE.shape)
    error[15:18, 15:18, 15:18] = 1
    for axis, index in best_planes(CUBE, error, [(0, 10)], 1):
        assert 14 <= index <= 18, axis


def test_the_distance_of_a_slice_is_in_sides_of_a_voxel():
    tall = CoarseGrid.of((20, 20, 20), (2.0, 1, 1))
    near, far = (distance_of((0, 4), tall, [(0, n)]) for n in (3, 19))
    assert (near, far) == (2, 30)
