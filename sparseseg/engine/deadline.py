"""When work that could go on for long has to come to its end."""

import time
from collections.abc import Callable

IsLate = Callable[[], bool]
"""Tells whether the time is up."""
Now = Callable[[], float]
"""Tells the time in seconds; only differences count."""

WALL: Now = time.perf_counter


def never() -> bool:
    """Leave as much time as it takes."""
    return False


def after(seconds: float, now: Now = WALL) -> IsLate:
    """Begin to count, and return what tells that so many seconds are over."""
    end = now() + seconds
    return lambda: now() > end
