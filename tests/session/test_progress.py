"""The seconds left of a job."""

from sparseseg.session.progress import TimeLeft


def test_nothing_is_said_before_there_is_a_pace() -> None:
    assert TimeLeft().update(0.1, 100.0) is None


def test_getting_ready_does_not_count() -> None:
    job = TimeLeft()
    job.update(0.25, 1000.0)
    assert job.update(0.5, 1002.0) == 4.0  # a quarter in 2 s, two to go


def test_the_pace_is_that_of_the_whole_job() -> None:
    job = TimeLeft()
    for done, now in [(0.0, 0.0), (0.25, 1.0), (0.5, 4.0)]:
        left = job.update(done, now)
    assert left == 4.0


def test_a_rest_does_not_count() -> None:
    job = TimeLeft()
    job.update(0.0, 0.0)
    job.update(0.25, 1.0)
    job.rest()
    job.update(0.25, 500.0)
    assert job.update(0.5, 501.0) == 2.0


def test_what_is_done_needs_no_time() -> None:
    assert TimeLeft().update(1.0, 5.0) == 0.0
