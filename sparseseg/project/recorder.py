"""What is painted on one annotation, found by comparing, and written into the journal."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sparseseg.classes import UNLABELLED
from sparseseg.project.deltas import Delta, Labels, difference
from sparseseg.project.entries import STROKES, Change, State, Tool
from sparseseg.project.guard import Guard, revert
from sparseseg.project.journal import Journal


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a look at an annotation found."""

    deltas: tuple[Delta, ...] = ()
    """What is in the journal now."""
    refused: int = 0
    """The voxels that were set back, because they may not change."""
    reason: str = ""
    """Why, in a few words."""


class Recorder:
    """Keep the journal of one annotation that is painted on in place.

    The array is compared with a copy, so that strokes, scripts and what sends no event
    are all found. What may not change is set back. The copy is always what the journal
    holds: where an entry cannot be written, the next call finds the change again.
    """

    def __init__(
        self,
        journal: Journal,
        volume: str,
        array: Labels,
        *,
        guard: Callable[[], Guard] = Guard,
    ) -> None:
        self.volume = volume
        self.array = array
        self.over: frozenset[int] | None = None
        """The values that strokes may replace; None stands for all."""
        self._journal = journal
        self._guard = guard
        self._written = journal.annotation(volume)
        self._turn = threading.Lock()

    def record(self, tool: Tool, *, step: int | None = None) -> Recorded:
        """Write what changed since the last call; return it.

        Without a `step` it is a step of its own. Raises `UserError` where the journal
        cannot be written.
        """
        with self._turn:
            found = difference(self._written, self.array)
            guard = self._guard()
            if tool in STROKES:
                guard = replace(guard, over=self.over)
            refused, reason = self._set_back(found, guard)
            deltas = [d for d in map(guard.allowed, found) if d.voxels]
            if deltas:
                self._write(deltas, guard, tool, step)
            return Recorded(tuple(deltas), refused, reason)

    def take(self, change: Change) -> None:
        """Make an undo or a redo that the journal holds already."""
        with self._turn:
            for delta in change.deltas:
                delta.apply(self._written)
                delta.apply(self.array)

    def _set_back(self, deltas: list[Delta], guard: Guard) -> tuple[int, str]:
        """Take back what may not change; return how many voxels, and why."""
        refused, reason = 0, ""
        for delta in deltas:
            forbidden = guard.forbids(delta)
            if forbidden.any():
                refused += int(np.count_nonzero(forbidden))
                reason = reason or guard.reason(delta)
                revert(self.array, delta, forbidden)
        return refused, reason

    def _write(
        self, deltas: list[Delta], guard: Guard, tool: Tool, step: int | None
    ) -> None:
        self._journal.append(
            self.volume,
            [(delta, self._state(delta, guard)) for delta in deltas],
            step=self._journal.new_step() if step is None else step,
            tool=tool,
        )
        for delta in deltas:
            delta.apply(self._written)
        if self._journal.wants_snapshot(self.volume):
            self._journal.add_snapshot(self.volume, self._written)

    def _state(self, delta: Delta, guard: Guard) -> State:
        if (delta.axis, delta.index) in guard.slices:
            return "locked"
        plane = self.array.take(delta.index, axis=delta.axis)
        return "complete" if (plane != UNLABELLED).all() else "open"
