from dataclasses import replace

import numpy as np
import pytest

from sparseseg.evaluation.gain import CoarseGrid
from sparseseg.evaluation.suggesting import Doubts, sides_of, suggested

SHAPE = (20, 20, 20)
GRID = CoarseGrid.of(SHAPE, (1.0, 1.0, 1.0))
NAMES = {1: "soma", 2: "synapse"}


def doubts(prediction: np.ndarray, uncertainty: np.ndarray) -> Doubts | None:
    return Doubts.of(
        GRID,
        prediction=prediction,
        uncertainty=uncertainty,
        annotation=np.zeros(SHAPE, np.uint8),
    )


def two_classes() -> Doubts:
    """A large class and a rare one, each as much in doubt by voxel."""
    prediction = np.zeros(SHAPE, np.uint8)
    prediction[:12] = 1
    prediction[17, 4:6, 4:6] = 2
    found = doubts(prediction, (prediction > 0).astype(np.float32))
    assert found is not None
    return found


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    found = two_classes()
    assert [float(found.by_class[n].sum()) for n in (1, 2)] == pytest.approx([1, 1])
    # A third of 4 of 4804 voxels, and two thirds of a half.
    assert found.joined[17].sum() == pytest.approx(1 / 3 + 4 / 4804 / 3)


def test_the_reason_names_the_class_whose_errors_are_expected():
    known = [(0, n) for n in (2, 7)]
    (one,) = suggested(GRID, known, count=1, doubts=two_classes(), names=NAMES)
    assert "errors of synapse expected" in one.reason
    (one,) = suggested(GRID, known, count=1, doubts=two_classes(), names={})
    assert "errors of class 2 expected" in one.reason


def test_every_eighth_slice_closes_the_largest_gap_whatever_is_in_doubt():
    known = [(0, n) for n in (16, 17, 18, 19)] + [(2, 1)]
    found = suggested(GRID, known, count=4, doubts=two_classes(), names=NAMES)
    before = [*known, *((one.axis, one.index) for one in found[:2])]
    (gap,) = suggested(GRID, before, count=1, names=NAMES)
    assert found[2] == replace(gap, reason=found[2].reason)
    assert [one.reason.startswith("far from") for one in found] == [
        False,
        False,
        True,
        False,
    ]


def test_suggestions_are_those_that_follow_when_one_after_the_other_is_annotated():
    known, doubt = [(0, 10)], two_classes()
    at_once = suggested(GRID, known, count=9, doubts=doubt, names=NAMES)
    for one in at_once:
        (following,) = suggested(GRID, known, count=1, doubts=doubt, names=NAMES)
        assert (following.axis, following.index) == (one.axis, one.index)
        known.append((one.axis, one.index))
    assert len(set(known)) == 10


def test_annotated_voxels_are_not_in_doubt():
    annotation = np.zeros(SHAPE, np.uint8)
    annotation[5] = 255
    ones = np.ones(SHAPE, np.uint8)
    found = Doubts.of(
        GRID,
        prediction=ones,
        uncertainty=ones.astype(np.float32),
        annotation=annotation,
    )
    assert found is not None
    assert found.of_all[5].sum() == 0


def test_a_prediction_that_is_sure_everywhere_leaves_the_gaps():
    assert doubts(np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.float32)) is None


def test_the_axis_of_a_suggestion_is_a_letter_for_other_programs():
    (one,) = suggested(GRID, [(0, 10)], count=1, names=NAMES)
    assert one.to_json()["axis"] == "zyx"[one.axis]


def test_sides_are_relative_to_the_shortest():
    assert sides_of((2.0, 0.5, 1.0)) == [4, 1, 2]
