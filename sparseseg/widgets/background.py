"""Work that is too slow for Qt's thread, done in another."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject, Signal

from sparseseg.errors import UserError
from sparseseg.language import say

_LOG = logging.getLogger(__name__)


class Background(QObject):
    """Do one piece of work after the other in a thread; of results the newest counts.

    The thread ends with its work, so that nothing is left of one that is idle.
    """

    done = Signal(object)
    failed = Signal(str)
    _ended = Signal(int, object, str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = f"sparseseg-{name}"
        self._thread: threading.Thread | None = None
        self._turn = 0
        self._ended.connect(self._announce)

    def start(self, work: Callable[[], object]) -> None:
        """Begin; `done` or `failed` tells the end in Qt's thread."""
        self._turn += 1
        work_after = (self._turn, work, self._thread)
        self._thread = threading.Thread(
            target=self._run, args=work_after, name=self._name, daemon=True
        )
        self._thread.start()

    def forget(self) -> None:
        """Be silent about what is under way."""
        self._turn += 1

    def close(self) -> None:
        """Wait for the work under way, begin no other, and be silent."""
        self.forget()
        if self._thread is not None:
            self._thread.join()

    def _run(
        self,
        turn: int,
        work: Callable[[], object],
        before: threading.Thread | None,
    ) -> None:
        if before is not None:
            before.join()
        if turn != self._turn:
            return
        result, complaint = None, ""
        try:
            result = work()
        except UserError as error:
            complaint = str(error)
        except Exception:  # noqa: BLE001  # it would vanish in the thread
            _LOG.exception("work in a thread failed")
            complaint = say("That failed for an unexpected reason; see the log.")
        with suppress(RuntimeError):  # the window is gone
            self._ended.emit(turn, result, complaint)

    def _announce(self, turn: int, result: object, complaint: str) -> None:
        if turn != self._turn:
            return
        if complaint:
            self.failed.emit(complaint)
        else:
            self.done.emit(result)
