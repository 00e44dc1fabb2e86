"""Session events, repeated as Qt signals in the main thread."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from sparseseg.session.events import SessionEvents

if TYPE_CHECKING:
    from psygnal import EmissionInfo

    class _Signals(QObject):
        def __getattr__(self, event: str) -> Any: ...

else:
    _Signals = type(QObject)(
        "_Signals",
        (QObject,),
        {name: Signal(object) for name in SessionEvents().signals},
    )


class Relay(_Signals):
    """Hear a session in its reader thread and speak in the thread of Qt.

    It has one Qt signal for each event of `SessionEvents`, by the same name.
    A plain Qt signal is the bridge because psygnal's own queue breaks when a widget
    goes while events are under way. The relay has no Qt parent: it lives as long as
    Python holds it, so a late event meets a live object.
    """

    def __init__(self, events: SessionEvents) -> None:
        super().__init__()
        self._events = events
        events.connect(self._repeat)

    def close(self) -> None:
        """Hear no more; calling it twice is fine."""
        self._events.disconnect(self._repeat, missing_ok=True)

    def _repeat(self, event: "EmissionInfo") -> None:
        getattr(self, event.signal.name).emit(*event.args)
