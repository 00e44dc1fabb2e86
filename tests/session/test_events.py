"""The values that training and sessions tell."""

import pickle

import pytest

from sparseseg.boxes import Box
from sparseseg.progress import Score
from sparseseg.session.events import Painted, score_reports


def measures(iou: float) -> dict[str, object]:
    return {"mean_iou": iou, "iou": {1: iou}}


@pytest.mark.parametrize(
    ("network", "interpolation", "best"),
    [
        (measures(0.6), measures(0.5), "network"),
        (measures(0.5), measures(0.5), "interpolation"),
        (measures(float("nan")), measures(0.5), "interpolation"),
        (measures(0.1), None, "network"),
        (None, measures(0.1), "interpolation"),
        (None, None, "network"),
    ],
)
def test_the_network_has_to_beat_interpolation(
    network: dict[str, object] | None,
    interpolation: dict[str, object] | None,
    best: str,
) -> None:
    pairs = {"network": network, "interpolation": interpolation}
    known = {method: found for method, found in pairs.items() if found}
    assert Score(1, 2.0, known, ("z 1",)).best == best


def test_the_best_of_all_methods_is_shown_and_of_equals_the_simplest() -> None:
    found = {"network": measures(0.5), "unguided": measures(0.7)}
    assert Score(1, 2.0, found, ("z 1",)).best == "unguided"
    found |= {"walker": measures(0.7), "interpolation": measures(0.6)}
    assert Score(1, 2.0, found, ("z 1",)).best == "walker"


def test_where_all_methods_fail_the_walker_is_shown() -> None:
    found = {"mixed": measures(0.03), "walker": measures(0.01)}
    assert Score(1, 2.0, found, ("z 1",)).best == "walker"
    found["mixed"] = measures(0.3)
    assert Score(1, 2.0, found, ("z 1",)).best == "mixed"


def test_what_stands_in_for_a_network_loses_only_where_it_is_far_behind() -> None:
    found = {"mixed": measures(0.4), "walker": measures(0.45)}
    assert Score(1, 2.0, found, ("z 1",)).best == "walker"
    assert Score(1, 2.0, found, ("z 1",), allowance=0.1).best == "mixed"
    found |= {"network": measures(0.41), "walker": measures(0.55)}
    assert Score(1, 2.0, found, ("z 1",), allowance=0.1).best == "walker"


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
