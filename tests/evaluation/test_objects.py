"""Scores of objects, worked out by hand."""

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.evaluation.objects import score_objects

TRUTH = np.array([[[1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 3]]])


def test_the_same_objects_under_other_numbers_are_right() -> None:
    scores = score_objects(np.array([0, 70000, 3, 1])[TRUTH], TRUTH)
    assert scores == {"found": 3, "true": 3, "ap50": 1.0, "ap75": 1.0, "pq": 1.0}


def test_overlaps_count_by_their_iou() -> None:
    found = np.array([[[4, 4, 4, 0, 0, 5, 5, 5, 5, 5, 0, 0]]])
    scores = score_objects(found, TRUTH)
    # IoU 3/4 and 4/5; the third is missed: of 3, the second alone is above 0.75.
    assert scores["ap50"] == pytest.approx(2 / 3)
    assert scores["ap75"] == pytest.approx(1 / 4)
    assert scores["pq"] == pytest.approx((0.75 + 0.8) / 2.5)


def test_two_objects_in_one_are_no_hit() -> None:
    found = np.array([[[1] * 9 + [0, 0, 0]]])
    assert score_objects(found, TRUTH)["ap50"] == 0


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(UserError, match="neither"):
        score_objects(TRUTH * 0, TRUTH * 0)
    with pytest.raises(UserError, match="same volume"):
        score_objects(TRUTH, TRUTH[..., :3])
