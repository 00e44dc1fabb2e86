"""What is painted on one annotation, found by comparing, and written into the journal."""

import threading
from collections.abc import Callable

from sparseseg.classes import UNLABELLED
from sparseseg.project.deltas import Delta, Labels, difference
from sparseseg.project.journal import Change, Journal, State, Tool

Slice = tuple[int, int]
"""The axis and the index of a slice."""


class Recorder:
    """Keep the journal of one annotation that is painted on in place.

    The array is compared with a copy, so that strokes, scripts and what sends no event
    are all found. The copy is always what the journal holds: where an entry cannot be
    written, the next call finds the change again.
    """

    def __init__(
        self,
        journal: Journal,
        volume: str,
        array: Labels,
        *,
        is_locked: Callable[[Slice], bool] = lambda _: False,
    ) -> None:
        self.volume = volume
        self.array = array
        self._journal = journal
        self._is_locked = is_locked
        self._written = journal.annotation(volume)
        self._turn = threading.Lock()

    def record(self, tool: Tool, *, step: int | None = None) -> tuple[Delta, ...]:
        """Write what changed since the last call; return it.

        Without a `step` it is a step of its own. Raises `UserError` where the journal
        cannot be written.
        """
        with self._turn:
            deltas = difference(self._written, self.array)
            if not deltas:
                return ()
            self._journal.append(
                self.volume,
                [(delta, self._state(delta)) for delta in deltas],
                step=self._journal.new_step() if step is None else step,
                tool=tool,
            )
            for delta in deltas:
                delta.apply(self._written)
            if self._journal.wants_snapshot(self.volume):
                self._journal.add_snapshot(self.volume, self._written)
            return tuple(deltas)

    def take(self, change: Change) -> None:
        """Make an undo or a redo that the journal holds already."""
        with self._turn:
            for delta in change.deltas:
                delta.apply(self._written)
                delta.apply(self.array)

    def _state(self, delta: Delta) -> State:
        if self._is_locked((delta.axis, delta.index)):
            return "locked"
        plane = self.array.take(delta.index, axis=delta.axis)
        return "complete" if (plane != UNLABELLED).all() else "open"
