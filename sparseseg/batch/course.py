"""How long the rest of a batch will take."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class BatchCourse:
    """How long the rest of a batch will take, from what is behind it."""

    waiting: int
    at_once: int = 1
    """How many volumes are predicted at the same time."""
    spent: list[float] = field(default_factory=list)

    @property
    def left(self) -> float | None:
        """The seconds of what waits, once one volume is done."""
        mean = float(np.mean(self.spent)) if self.spent else None
        return None if mean is None else mean * self.waiting / self.at_once

    def at(self, done: float, seconds: float) -> float | None:
        """Return the seconds left within a volume of which a share is done."""
        whole = seconds / done if done else 0.0
        mean = float(np.mean(self.spent)) if self.spent else whole
        return max(0.0, whole - seconds) + mean * (self.waiting - 1)

    def finish(self, seconds: float | None) -> None:
        """Count a volume that took so long; None if it took no prediction."""
        self.waiting -= 1
        if seconds is not None:
            self.spent.append(seconds)
