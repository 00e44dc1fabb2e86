"""How far a training is: its clock, its budget, its stages and its learning rate."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sparseseg.progress import Ending
from sparseseg.recipes import Stage
from sparseseg.settings.training import TrainSettings

_WARM_UP_STEPS = 20
_LAST_RATE = 0.02
_ENDLESS_RATE = 0.5
# Without a budget, stages but the last take their share of so many seconds.
_STAGED_SECONDS = 600.0


class Clock:
    """The seconds that a generator has worked, without those it was left waiting.

    `seconds` tells the time; those of the processor alone do not count what other
    programs take.
    """

    def __init__(self, seconds: Callable[[], float] | None = None) -> None:
        self._seconds = seconds or time.perf_counter
        self._worked = 0.0
        self._since: float | None = self._seconds()

    def now(self) -> float:
        """Return the seconds worked so far."""
        running = 0.0 if self._since is None else self._seconds() - self._since
        return self._worked + running

    def restart(self) -> None:
        """Count from now."""
        self._worked, self._since = 0.0, self._seconds()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the clock stand still inside the block."""
        self._worked, self._since = self.now(), None
        try:
            yield
        finally:
            self._since = self._seconds()


class Schedule:
    """How far a budget is spent, and the learning rate that this calls for."""

    def __init__(
        self, settings: TrainSettings, clock: Clock, stages: Sequence[Stage]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stages = stages
        self._ends = [*itertools.accumulate(stage.share for stage in stages)][:-1]
        self._place = 0
        self._first = 0
        self._since = 0
        self._enough: int | None = None
        self.steps = 0

    def teaches_until(self, enough: int | None) -> None:
        """Take in how many steps the labels that there are now are good for."""
        if enough != self._enough:
            self._enough, self._since = enough, self.steps

    @property
    def done(self) -> float | None:
        """The spent share of the budget, None if there is none."""
        if self._settings.steps is not None:
            return min(1.0, self.steps / self._settings.steps)
        if self._settings.minutes is None:
            return None
        return min(1.0, max(self._spent, self._learned))

    @property
    def ending(self) -> Ending | None:
        """Why the training is at its end; None while it is not."""
        if self.done is None or self.done < 1:
            return None
        is_timed = self._settings.steps is None
        is_early = is_timed and self._spent < 1
        return "known by heart" if is_early else "finished"

    @property
    def _spent(self) -> float:
        """The share of the minutes that are spent."""
        assert self._settings.minutes is not None
        return self._clock.now() / (60 * self._settings.minutes)

    @property
    def _learned(self) -> float:
        """The share of the steps after which the labels are known by heart."""
        return self.steps / self._enough if self._enough else 0.0

    @property
    def stage(self) -> Stage:
        """The stage that is on."""
        return self._stages[self._place]

    def begins_stage(self) -> bool:
        """Go on to the stage whose time has come, and tell whether it is another."""
        done = self.done
        if done is None:
            done = self._clock.now() / _STAGED_SECONDS
        place = sum(done >= end for end in self._ends)
        if place == self._place:
            return False
        self._place, self._first = place, self.steps
        return True

    def rate(self) -> float:
        """Return the share of the recipe's learning rate: warm-up, then a half cosine.

        Each stage has its own.
        """
        warm = min(1.0, (self.steps + 1 - self._first) / _WARM_UP_STEPS)
        done = self.done
        if done is None:
            return warm * self._endless_rate()
        begin = ([0.0, *self._ends])[self._place]
        through = min(1.0, max(0.0, done - begin) / self.stage.share)
        return warm * _falling(through)

    def _endless_rate(self) -> float:
        """Return the rate without a budget: it falls, and rises when strokes join."""
        if self._enough is None:
            return _ENDLESS_RATE
        through = min(1.0, (self.steps - self._since) / self._enough)
        return _falling(through)


def _falling(through: float) -> float:
    """Return a half cosine from 1 to the last rate."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * through)
    return _LAST_RATE + (1 - _LAST_RATE) * cosine
