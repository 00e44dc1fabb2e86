import pytest

from sparseseg.session.events import Progress
from sparseseg.widgets.job_progress import JobProgress, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (48, "48 s"),
        (59.7, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h 0 min"),
        (7830, "2 h 10 min"),
    ],
)
def test_a_time_is_said_in_words(seconds, words):
    assert duration(seconds) == words


def test_the_time_left_is_said_once_it_is_known(qtbot):
    bar = JobProgress()
    qtbot.addWidget(bar)
    assert bar.isHidden()

    bar.show_progress(Progress("train", 0.255, None))
    assert (bar.text(), bar.value()) == ("26 %", 26)

    bar.show_progress(Progress("train", 0.5, 48))
    assert bar.text() == "50 %, 48 s left"
