"""What one more slice is worth, and whether the model is too sure of itself."""

import pytest

from sparseseg.evaluation.estimate import DiceEstimate, Evidence, Likely, Spread
from sparseseg.evaluation.reliability import SureVoxels
from sparseseg.widgets.score_plots import ScorePlots, score_in_words


def estimated(dice, slices, *bins):
    spread = Spread(dice, dice, 0.01, slices)
    calibration = (0.0, 1.0, 0.0, 0.0)
    evidence = Evidence(
        "network",
        slices,
        {1: spread},
        spread,
        calibration,
        annotated=slices,
        reliability=bins,
    )
    return DiceEstimate(
        Likely(dice, dice - 0.05, dice + 0.05), {1: None}, evidence=evidence
    )


@pytest.fixture
def plots(qtbot):
    plots = ScorePlots()
    qtbot.addWidget(plots)
    plots.set_theme("dark")
    return plots


def test_one_more_slice_takes_a_part_of_what_is_missing_away():
    # 0.2 is missing with 3 slices: 0.2 * (3/4)**0.5 = 0.1732 with 4.
    assert "a Dice of about +0.027" in score_in_words(estimated(0.8, 3))


@pytest.mark.parametrize(
    ("sure", "words"),
    [(0.95, "too sure"), (0.81, "about as often right"), (0.7, "more often right")],
)
def test_being_sure_is_compared_with_being_right(sure, words):
    assert words in score_in_words(estimated(0.8, 3, SureVoxels(sure, 0.8, 1.0)))


def test_each_model_is_a_point_and_the_line_leads_on_from_the_newest(plots):
    bins = SureVoxels(0.7, 0.6, 0.5), SureVoxels(0.95, 0.9, 0.5)
    plots.show_estimate(estimated(0.8, 6, *bins), [estimated(0.7, 3)])
    assert list(plots._points.getOriginalDataset()[0]) == [3, 6]
    slices, dice = plots._expected.getOriginalDataset()
    assert (slices[0], dice[0]) == (6, pytest.approx(0.8))
    assert dice[-1] > 0.8
    assert list(plots._bins.getOriginalDataset()[1]) == [0.6, 0.9]


def test_without_an_estimate_there_is_no_plot(plots):
    plots.show_estimate(estimated(0.8, 6), [])
    assert not plots.isHidden()
    plots.show_estimate(DiceEstimate(None, {}, "no estimate"), [])
    assert plots.isHidden()
