import numpy as np
import pytest

from sparseseg.evaluation.calibration import Calibration, expected_dice, fitted


def sure(share, count=4000):
    """Probabilities (2, n) that say class 1 with so much certainty."""
    one = np.full(count, share)
    return np.stack([1 - one, one])


def test_what_is_calibrated_stays_as_it_is():
    p = sure(0.8)
    assert Calibration()(p, np.ones(4000))[1] == pytest.approx(0.8)


def test_probabilities_sum_to_one():
    p = np.random.default_rng(0).dirichlet([1, 1, 1], 50).T
    likely = Calibration((0.3, 0.5, -0.1, -0.2))(p, np.linspace(0, 30, 50))
    assert likely.sum(0) == pytest.approx(1)


def test_a_model_that_is_too_sure_is_corrected():
    truth = (np.arange(4000) % 10 < 8).astype(int)
    likely = fitted(sure(0.99), truth, np.ones(4000), np.ones(4000))
    assert likely(sure(0.99), np.ones(4000))[1, 0] == pytest.approx(0.8, abs=0.02)


def test_far_voxels_are_corrected_more_than_near_ones():
    distances = np.repeat([1.0, 20.0], 2000)
    tenths = np.arange(4000) % 10
    truth = np.where(distances < 2, tenths < 9, tenths < 7).astype(int)
    found = fitted(sure(0.95), truth, distances, np.ones(4000))
    likely = found(sure(0.95), distances)[1]
    assert likely[0] == pytest.approx(0.9, abs=0.03)
    assert likely[-1] == pytest.approx(0.7, abs=0.03)


def test_the_dice_to_expect_of_three_voxels():
    likely = np.array([[0.1, 0.4, 1.0], [0.9, 0.6, 0.0]])
    found = expected_dice(likely, np.array([1, 1, 0]), np.ones(3))
    assert found[1] == pytest.approx(2 * 1.5 / (2 + 1.5))
    assert found[0] == pytest.approx(2 * 1.0 / (1 + 1.5))


def test_no_dice_is_expected_of_a_class_that_cannot_be():
    likely = np.array([[1.0], [0.0]])
    assert np.isnan(expected_dice(likely, np.array([0]), np.ones(1))[1])


def test_impossible_probabilities_give_finite_numbers():
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = fitted(p, np.array([1, 1]), np.array([0.0, 5.0]), np.ones(2))
    assert np.isfinite(found.t).all()
    assert np.isfinite(found(p, np.zeros(2))).all()
