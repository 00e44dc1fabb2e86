import json

import numpy as np
import pytest

from sparseseg.evaluation.slice_score import SliceScore, UnseenPlane


def plane(*rows):
    return np.array(rows, np.uint8)


def score(prediction, annotation, known=None):
    known = np.zeros_like(prediction) if known is None else known
    return SliceScore.of(
        (0, 4), UnseenPlane(prediction, known, "network", 7), annotation
    )


def test_the_dice_of_a_slice_is_counted_by_class():
    found = score(plane([1, 1, 0, 2]), plane([1, 255, 1, 2]))
    assert found.counts == {1: (1, 2, 2), 2: (1, 1, 1)}
    assert found.dice == {1: 0.5, 2: 1.0}
    assert found.mean_dice == 0.75


def test_what_was_known_before_does_not_count():
    known = plane([0, 0, 1, 0])
    found = score(plane([1, 1, 0, 2]), plane([1, 255, 1, 2]), known)
    assert found.dice[1] == pytest.approx(2 / 3)


def test_a_slice_without_a_class_has_no_dice():
    assert score(plane([0, 0]), plane([255, 255])).mean_dice is None
    assert score(plane([0, 3]), plane([255, 255])).mean_dice == 0


def test_a_score_survives_json_and_a_damaged_one_is_refused():
    found = score(plane([1, 1, 0, 2]), plane([1, 255, 1, 2]))
    data = json.loads(json.dumps(found.to_json()))
    assert SliceScore.from_json(data) == found
    for damage in ({"axis": 3}, {"counts": {"1": [3, 2, 2]}}, {"counts": 5}):
        with pytest.raises((ValueError, TypeError)):
            SliceScore.from_json(data | damage)
