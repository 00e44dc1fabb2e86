"""The one thread in which a session speaks."""

import logging
import threading
from queue import SimpleQueue

from psygnal import SignalInstance

from sparseseg.session.events import SessionEvents
from sparseseg.session.messages import Reply, Told

_LOGGER = logging.getLogger(__name__)


class Announcer:
    """Emits replies as events, in the order in which they were posted."""

    def __init__(self, events: SessionEvents) -> None:
        self._events = events
        self._names = {_kind(signal): name for name, signal in events.signals.items()}
        self._replies: SimpleQueue[Reply | None] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, name="sparseseg-session", daemon=True
        )
        self._thread.start()

    def post(self, reply: Reply) -> None:
        """Emit this after all that was posted before."""
        self._replies.put(reply)

    def close(self, *, seconds: float) -> None:
        """End the thread after what was posted, but wait no longer than `seconds`."""
        self._replies.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        while (reply := self._replies.get()) is not None:
            try:
                self._emit(reply)
            except Exception:
                # A listener's bug must not silence the session for the others.
                _LOGGER.exception("a listener of the session failed")

    def _emit(self, reply: Reply) -> None:
        if isinstance(reply, Told):
            self._events[reply.signal].emit(reply.text)
        else:
            self._events[self._names[type(reply)]].emit(reply)


def _kind(signal: SignalInstance) -> type:
    """Return the type of what a signal announces."""
    (value,) = signal.signature.parameters.values()
    kind: type = value.annotation
    return kind
