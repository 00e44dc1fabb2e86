"""The values that training and sessions tell."""

import pickle

import pytest

from sparseseg.boxes import Box
from sparseseg.progress import Method, Score
from sparseseg.session.events import Painted, score_reports


def measures(iou: float) -> dict[str, object]:
    return {"mean_iou": iou, "iou": {1: iou}}


@pytest.mark.parametrize(
    ("worths", "best"),
    [
        ({"network": 0.6, "interpolation": 0.5}, "network"),
        ({"network": 0.5, "interpolation": 0.5}, "interpolation"),
        ({"network": 0.5, "unguided": 0.7, "walker": 0.7}, "walker"),
        ({"mixed": 0.1}, "mixed"),
        ({}, "network"),
    ],
)
def test_what_is_worth_most_is_shown_and_of_equals_the_simplest(
    worths: dict[Method, float], best: Method
) -> None:
    assert Score(1, 2.0, {}, ("z 1",), worths=worths).best == best


def test_where_nothing_was_measured_the_default_is_shown() -> None:
    assert Score(1, 2.0, {}, (), default="mixed").best == "mixed"


def test_a_score_is_reported_for_each_method_that_was_measured() -> None:
    score = Score(7, 2.0, {"network": measures(0.5)}, ("z 1", "y 2"))
    (report,) = score_reports(score)
    assert (report.step, report.method, report.shown) == (7, "network", "network")
    assert (report.mean_iou, report.iou, report.slices) == (
        0.5, {1: 0.5}, ("z 1", "y 2")
    )  # fmt: skip


def test_where_nothing_was_measured_the_reason_is_reported() -> None:
    (report,) = score_reports(Score(7, 2.0, {}, (), "one slice", "paint another"))
    assert (report.method, report.shown, report.mean_iou) == (
        "network",
        "network",
        None,
    )
    assert (report.reason, report.advice) == ("one slice", "paint another")


def test_an_event_survives_the_way_between_processes() -> None:
    painted = Painted(Box((0, 0, 0), (1, 2, 3)), "network", 4)
    assert pickle.loads(pickle.dumps(painted)) == painted
