"""Work in a thread that tells how far it is, and can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from qtpy.QtCore import QObject, Signal

from sparseseg.widgets.background import Background

Steps = Iterator[object]
"""Yields shares from 0 to 1, as floats; what comes last and is none is the result."""


class Stepwise(QObject):
    """Go through a generator in a thread; of several the newest counts."""

    progress = Signal(float)
    done = Signal(object)
    failed = Signal(str)
    _told = Signal(object, float)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._worker = Background(name)
        self._stop = threading.Event()
        self._worker.done.connect(self.done)
        self._worker.failed.connect(self.failed)
        self._told.connect(self._tell)

    def start(self, work: Callable[[], Steps]) -> None:
        """Begin; `done` or `failed` tells the end in Qt's thread."""
        self._stop.set()
        self._stop = threading.Event()
        self._worker.start(partial(self._through, work, self._stop))

    def cancel(self) -> None:
        """Stop at the next step, and be silent about the rest."""
        self._stop.set()
        self._worker.forget()

    def close(self) -> None:
        """Stop, and wait for the step under way."""
        self._stop.set()
        self._worker.close()

    def _through(self, work: Callable[[], Steps], stop: threading.Event) -> object:
        result: object = None
        for step in work():
            if stop.is_set():
                return None
            if isinstance(step, float):
                with suppress(RuntimeError):  # the window is gone
                    self._told.emit(stop, step)
            else:
                result = step
        return result

    def _tell(self, stop: object, share: float) -> None:
        if stop is self._stop and not self._stop.is_set():
            self.progress.emit(share)
