"""Slices are scored when they are complete, with what had not seen them."""

import pytest

from sparseseg.boxes import Box
from sparseseg.evaluation.estimate import DiceEstimate, Likely
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.session.events import Phase
from sparseseg.widgets.slice_score_words import slice_score_words
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.train_panel import TrainPanel

SHAPE = (6, 30, 40)


@pytest.fixture
def begun(opened):
    """A desk with one complete slice and a preview of another."""
    opened.link.arrays.annotation[0] = 255
    opened.ledger.look()
    return opened


def paint(desk, z, *, rows=30):
    """Label half of a slice's rows as class 1 and the rest as background."""
    desk.link.arrays.annotation[z, :15] = 1
    desk.link.arrays.annotation[z, 15:rows] = 255
    desk.ledger.look()


def test_a_slice_is_scored_by_the_preview_that_had_not_seen_it(begun, session, qtbot):
    arrays = begun.link.arrays
    arrays.prediction[3, :10] = 1
    session.paints(Box.plane(SHAPE, 0, 3), 0)
    arrays.prediction[3, :10] = 1
    session.paints(Box.plane(SHAPE, 0, 3), arrays.prediction[3:4].copy())
    paint(begun, 3, rows=20)
    # A later preview has seen it and is right.
    session.paints(Box.plane(SHAPE, 0, 3), begun.link.arrays.annotation[3:4] % 255)
    with qtbot.waitSignal(begun.slice_scores.scored) as heard:
        paint(begun, 3)
    (score,) = heard.args
    # 10 of 15 rows were predicted: 2 * 10 / 25.
    assert score.mean_dice == pytest.approx(0.8)


def test_a_predicted_volume_scores_the_slice_that_is_gone_to(begun, session, qtbot):
    session.becomes(Phase.PREDICTING)
    session.paints(Box.whole(SHAPE), 0)
    session.becomes(Phase.IDLE)
    begun.painter.go_to(SliceView(0, 4))
    with qtbot.waitSignal(begun.slice_scores.scored) as heard:
        paint(begun, 4)
    assert heard.args[0].mean_dice == 0


@pytest.mark.parametrize("by", ["accept", "class"])
def test_a_slice_that_began_as_the_prediction_does_not_count(begun, session, qtbot, by):
    begun.painter.go_to(SliceView(0, 3))
    session.paints(Box.plane(SHAPE, 0, 3), 1)
    if by == "accept":
        begun.filling.predicted(print)
    else:
        begun.filling.accepted.emit(None)
    with qtbot.assertNotEmitted(begun.slice_scores.scored, wait=100):
        paint(begun, 3)


def test_a_slice_that_was_painted_before_its_preview_does_not_count(
    begun, session, qtbot
):
    begun.link.arrays.annotation[3, 2:4, 2:4] = 1
    begun.ledger.look()
    session.paints(Box.plane(SHAPE, 0, 3), 0)
    with qtbot.assertNotEmitted(begun.slice_scores.scored, wait=100):
        paint(begun, 3)


def test_slices_that_cross_are_no_strokes(begun, session, qtbot):
    begun.link.arrays.annotation[:, 5] = 255
    begun.ledger.look()
    session.paints(Box.plane(SHAPE, 0, 3), 0)
    with qtbot.waitSignal(begun.slice_scores.scored) as heard:
        paint(begun, 3)
    # The row where the other slice crosses was known, and does not count.
    assert heard.args[0].counts[1] == (0, 0, 14 * 40)


def test_the_words_name_the_worst_class_and_what_was_estimated(begun):
    begun.classes.include({1, 2})
    score = SliceScore(0, 4, {1: (9, 10, 10), 2: (5, 10, 10)}, "network", 1)
    likely = Likely(0.8, 0.75, 0.85)
    told = slice_score_words(
        score, begun.classes.table, DiceEstimate(likely, {1: likely})
    )
    assert "Slice z 4 is complete" in told
    assert "0.70 here (class 2 0.50, class 1 0.90)" in told
    assert "The estimate was 0.80 (0.75 to 0.85)" in told


def test_three_completed_slices_count_in_the_estimate_that_is_shown(
    begun, messages, session, qtbot
):
    panel = TrainPanel(begun, messages)
    qtbot.addWidget(panel)
    likely = Likely(0.9, 0.8, 1.0)
    session.events.estimate.emit(DiceEstimate(likely, {1: likely}))
    qtbot.waitUntil(lambda: "0.90 (0.80 to 1.00)" in panel.status.text())
    for index in (2, 3, 4):
        panel.count_in(SliceScore(0, index, {1: (5, 10, 10)}, "network", 1))
    assert "3 slices that you completed" in panel.status.text()
    assert panel.estimate.mean.dice < 0.8
    session.events.estimate.emit(DiceEstimate(likely, {1: likely}))
    qtbot.waitUntil(lambda: "0.90 (0.80 to 1.00)" in panel.status.text())


def test_a_preview_of_another_image_scores_no_slice_of_the_chosen_one(
    elsewhere, session, qtbot
):
    elsewhere.ledger.look()
    session.paints(Box.plane(SHAPE, 0, 2), 1)  # of the large image
    with qtbot.assertNotEmitted(elsewhere.slice_scores.scored, wait=500):
        elsewhere.link.arrays.annotation[2] = 255
        elsewhere.ledger.look()
