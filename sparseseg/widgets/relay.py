"""Session events, repeated as Qt signals in the main thread."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from psygnal import EmissionInfo

    from sparseseg.events import SessionEvents


class Relay(QObject):
    """Hear a session in its reader thread and speak in the thread of Qt.

    A plain Qt signal is the bridge because psygnal's own queue breaks when a widget
    goes while events are under way. The relay has no Qt parent: it lives as long as
    Python holds it, so a late event meets a live object.
    """

    phase = Signal(object)
    step = Signal(object)
    score = Signal(object)
    progress = Signal(object)
    painted = Signal(object)
    depths = Signal(object)
    rules = Signal(object)
    failed = Signal(str)
    noted = Signal(str)
    saved = Signal(str)

    def __init__(self, events: "SessionEvents") -> None:
        super().__init__()
        self._events = events
        events.connect(self._repeat)

    def close(self) -> None:
        """Hear no more; calling it twice is fine."""
        self._events.disconnect(self._repeat, missing_ok=True)

    def _repeat(self, event: "EmissionInfo") -> None:
        getattr(self, event.signal.name).emit(*event.args)
