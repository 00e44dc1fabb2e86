import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.confidence import (
    Between,
    Confidence,
    fitted_temperature,
    tempered,
)
from sparseseg.evaluation.matching import Nearest


def test_the_expected_dice_of_four_voxels_by_hand():
    inside = np.array([0.9, 0.8, 0.4, 0.1])
    probabilities = np.stack([1 - inside, inside]).reshape(2, 1, 1, 4)
    confidence = Confidence(2)
    confidence.add(probabilities, probabilities.argmax(0))
    # Two voxels are predicted, 1.7 of them expected to be right, 2.2 expected in all.
    assert confidence.dice[1] == pytest.approx(2 * 1.7 / (2 + 2.2))
    assert confidence.dice[0] == pytest.approx(2 * 1.5 / (2 + 1.8))


def test_tiles_add_up_and_what_is_not_predicted_has_no_estimate():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([5, 2, 0.01], (6, 4, 4)).astype(np.float32)
    probabilities = np.moveaxis(probabilities, -1, 0)
    index = probabilities[:2].argmax(0)
    whole, parts = Confidence(3), Confidence(3)
    whole.add(probabilities, index)
    for start in (0, 2, 4):
        parts.add(probabilities[:, start : start + 2], index[start : start + 2])
    assert whole.dice[2] is None
    assert parts.dice[:2] == pytest.approx(whole.dice[:2])


def test_of_a_tile_no_more_places_are_kept_than_are_looked_at(monkeypatch):
    monkeypatch.setattr("sparseseg.evaluation.confidence._VOXELS", 2)
    monkeypatch.setattr("sparseseg.evaluation.confidence._OF_TILE", 1)
    between = Between(Calibration(), Nearest.of((1, 1, 8), (1.0, 1.0, 1.0), []))
    chosen = between.chosen(Box((0, 0, 0), (1, 1, 8)))
    assert chosen.tolist() == [0, 4]
    assert chosen.base is None  # a view would keep all eight


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_the_temperature_that_probabilities_were_sharpened_by_is_found(temperature):
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1, 1, 1], 20_000).T
    truth = (honest.cumsum(0) < rng.random(20_000)).sum(0)
    told = tempered(honest, 1 / temperature)
    assert fitted_temperature(told, truth) == pytest.approx(temperature, rel=0.1)


def test_cleaned_labels_are_judged_by_what_was_predicted_there():
    inside = np.array([0.9, 0.8, 0.4, 0.1])
    probabilities = np.stack([1 - inside, inside]).reshape(2, 1, 1, 4)
    box = Box.whole((1, 1, 4))
    annotation = np.zeros((1, 1, 4), np.uint8)
    nearest = Nearest.of((1, 1, 4), (1, 1, 1), [(0, 5)])
    between = Between(Calibration(), nearest, annotation)
    confidence = Confidence(2, between=between)
    confidence.add(probabilities.astype(np.float32), probabilities.argmax(0), box)
    # A rule takes the second voxel away: one is left, of which 0.9 is expected to be right.
    labels = np.array([5, 0, 0, 0], np.uint8).reshape(1, 1, 4)
    found = confidence.of_labels(labels, (0, 5)).dice
    assert found[1] == pytest.approx(2 * 0.9 / (1 + 2.2), abs=1e-3)
    assert found[0] == pytest.approx(2 * 1.7 / (3 + 1.8), abs=1e-3)
    nothing = confidence.of_labels(np.zeros_like(labels), (0, 5))
    assert nothing.dice[1] is None
