"""When a training looks at how good it is between slices, so that looks stay cheap."""

_SECONDS = 20.0  # between two looks at least
_SHARE = 0.05  # of the time of training
# In short trainings a random walker or a forest takes long for a few slices. Then fewer are
# looked at, and only at the end, unless a look now and one at the end are cheap together.
_LARGEST_SHARE, _LEAST, _FIRST = 0.15, 2.0, 6.0


class Pace:
    """Knows what looks have taken so far, in seconds."""

    def __init__(self) -> None:
        self._next: float | None = None
        self._taken, self._last = 0.0, _FIRST

    def is_time(self, seconds: float, done: float | None) -> bool:
        """Tell whether to look after so many seconds of training.

        `done` is the share of the training, None if it has no end. At its end it always
        is time.
        """
        if self._next is None:  # nobody waits for it before the first step
            self._next = seconds + _SECONDS
        if done == 1:
            return True
        if seconds < self._next:
            return False
        both = self._taken + 2 * self._last
        return done is None or both * done <= _LARGEST_SHARE * seconds

    def left(self, seconds: float) -> float:
        """Return how many seconds a look may take now."""
        return max(_LEAST, _LARGEST_SHARE * seconds - self._taken)

    def looked(self, seconds: float, cost: float) -> None:
        """Take in that a look after so many seconds of training has cost so many."""
        self._taken, self._last = self._taken + cost, cost
        self._next = seconds + max(_SECONDS, cost / _SHARE)
