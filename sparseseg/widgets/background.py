"""Work that is too slow for Qt's thread, done in another."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from qtpy.QtCore import QObject, Signal

from sparseseg.errors import UserError

_LOG = logging.getLogger(__name__)


class Background(QObject):
    """Do one piece of work after the other in a thread; of results the newest counts."""

    done = Signal(object)
    failed = Signal(str)
    _ended = Signal(int, object, str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._thread = ThreadPoolExecutor(1, f"sparseseg-{name}")
        self._turn = 0
        self._ended.connect(self._announce)

    def start(self, work: Callable[[], object]) -> None:
        """Begin; `done` or `failed` tells the end in Qt's thread."""
        self._turn += 1
        self._thread.submit(self._run, self._turn, work)

    def forget(self) -> None:
        """Be silent about what is under way."""
        self._turn += 1

    def close(self) -> None:
        """Wait for the work under way, begin no other, and be silent."""
        self.forget()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _run(self, turn: int, work: Callable[[], object]) -> None:
        result, complaint = None, ""
        try:
            result = work()
        except UserError as error:
            complaint = str(error)
        except Exception:  # noqa: BLE001  # it would vanish in the thread
            _LOG.exception("work in a thread failed")
            complaint = (
                "That failed for a reason sparseseg did not foresee; see the log."
            )
        with suppress(RuntimeError):  # the window is gone
            self._ended.emit(turn, result, complaint)

    def _announce(self, turn: int, result: object, complaint: str) -> None:
        if turn != self._turn:
            return
        if complaint:
            self.failed.emit(complaint)
        else:
            self.done.emit(result)
