"""How far a job is, and how long it still takes."""

from collections.abc import Callable

from sparseseg.session.events import Job, Progress
from sparseseg.session.messages import Reply

REPORT_SECONDS = 0.1


class TimeLeft:
    """The seconds a job still needs, judged by its own pace so far.

    Times are seconds of any clock. The time before the first update does not count:
    getting ready says nothing about the pace.
    """

    def __init__(self) -> None:
        self._mark: float | None = None
        self._done = self._gained = self._spent = 0.0

    def update(self, done: float, now: float) -> float | None:
        """Return the seconds left at `done` (0..1), None while nothing can be said."""
        if self._mark is not None:
            self._spent += now - self._mark
            self._gained += done - self._done
        self._mark, self._done = now, done
        if done >= 1:
            return 0.0
        return self._spent * (1 - done) / self._gained if self._gained > 0 else None

    def rest(self) -> None:
        """Leave out the time from here to the next update."""
        self._mark = None


class JobCourse:
    """Sends the progress of one job, ten times a second at most."""

    def __init__(
        self, job: Job, *, send: Callable[[Reply], None], clock: Callable[[], float]
    ) -> None:
        self._job = job
        self._send = send
        self._clock = clock
        self._left = TimeLeft()
        self._due = float("-inf")

    def tell(self, done: float | None, *others: Reply, at_once: bool = False) -> bool:
        """Send the progress, if it can be told, and what goes with it, if it is time.

        Returns whether it was sent.
        """
        now = self._clock()
        if now < self._due and not at_once:
            return False
        self._due = now + REPORT_SECONDS
        for other in others:
            self._send(other)
        if done is not None:
            self._send(Progress(self._job, done, self._left.update(done, now)))
        return True

    def rest(self) -> None:
        """Leave out the time from here to the next call from the estimate."""
        self._left.rest()
