"""The seconds left of a job."""

from sparseseg.session.progress import Estimate


def test_nothing_is_said_before_there_is_a_pace() -> None:
    assert Estimate().update(0.1, 100.0) is None


def test_getting_ready_does_not_count() -> None:
    estimate = Estimate()
    estimate.update(0.25, 1000.0)
    assert estimate.update(0.5, 1002.0) == 4.0  # a quarter in 2 s, two to go


def test_the_pace_is_that_of_the_whole_job() -> None:
    estimate = Estimate()
    for done, now in [(0.0, 0.0), (0.25, 1.0), (0.5, 4.0)]:
        left = estimate.update(done, now)
    assert left == 4.0


def test_a_rest_does_not_count() -> None:
    estimate = Estimate()
    estimate.update(0.0, 0.0)
    estimate.update(0.25, 1.0)
    estimate.rest()
    estimate.update(0.25, 500.0)
    assert estimate.update(0.5, 501.0) == 2.0


def test_what_is_done_needs_no_time() -> None:
    assert Estimate().update(1.0, 5.0) == 0.0
