import numpy as np
import pytest

from sparseseg.evaluation.reliability import overall, reliability


def test_voxels_are_binned_by_how_sure_the_prediction_is():
    sure = np.array([0.6, 0.64, 0.97, 0.98])
    probabilities = np.stack([1 - sure, sure])
    found = reliability(probabilities, np.array([1, 0, 1, 1]), np.ones(4))
    assert [(b.right, b.share) for b in found] == [(0.5, 0.5), (1.0, 0.5)]
    assert [b.sure for b in found] == pytest.approx([0.62, 0.975])
    whole = overall(found)
    assert (whole.right, whole.share) == (0.75, 1.0)
    assert whole.sure == pytest.approx(sure.mean())


def test_a_voxel_counts_as_many_as_it_stands_for():
    probabilities = np.array([[0.1, 0.1], [0.9, 0.9]])
    found = reliability(probabilities, np.array([1, 0]), np.array([3.0, 1.0]))
    assert found[0].right == 0.75


def test_nothing_is_said_of_no_voxel():
    assert overall(()) is None
