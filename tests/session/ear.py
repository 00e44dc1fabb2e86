"""An ear for the events of a session."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from psygnal import EmissionInfo

from sparseseg.session.events import SessionEvents

PATIENCE = 30.0


class Ear:
    """Hears all events of a session, and waits for the one that is asked for."""

    def __init__(self, events: SessionEvents) -> None:
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        events.connect(self._hear)

    def _hear(self, event: EmissionInfo) -> None:
        self._events.put((event.signal.name, event.args[0]))

    def wait(self, name: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next event of this name that fits, passing over all others."""
        return self.until(name, fits)[-1][1]

    def until(
        self, name: str, fits: Callable[[Any], bool] = lambda _: True
    ) -> list[tuple[str, Any]]:
        """Return all events up to the one that fits."""
        heard: list[tuple[str, Any]] = []
        deadline = time.monotonic() + PATIENCE
        while not (heard and heard[-1][0] == name and fits(heard[-1][1])):
            try:
                heard.append(self._events.get(timeout=deadline - time.monotonic()))
            except (Empty, ValueError):
                raise AssertionError(f"no such {name}; heard {heard[-20:]}") from None
        return heard
