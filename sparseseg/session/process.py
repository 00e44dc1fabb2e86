"""The training process, seen from the window: started, posted to, ended."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType

from sparseseg.language import say
from sparseseg.session import trainer
from sparseseg.session.messages import Assignment, Reply, Request, Stop
from sparseseg.threads import let_threads_sleep

STOP_SECONDS = 10.0
CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone; a negative exit code is the signal that ended it."""

    exit_code: int

    @property
    def how(self) -> str:
        """The exit code in words, with what it most likely means."""
        code = self.exit_code
        if code >= 0:
            return say("exit code {code}", code=code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = say("signal {code}", code=-code)
        return f"{name}, {_MEANINGS[name]}" if name in _MEANINGS else name


_MEANINGS = {
    "SIGKILL": say(
        "probably because the memory of this machine was full; close other "
        "programs, or choose a smaller patch or a smaller part of the volume"
    ),
    "SIGBUS": say(
        "probably because the shared memory of this machine was full; close other "
        "programs, or choose a smaller part of the volume"
    ),
    "SIGSEGV": say("a crash in a library, such as a driver of the GPU"),
    "SIGILL": say(
        "this processor lacks an instruction that the installed PyTorch needs"
    ),
    "SIGTERM": say("another program ended it"),
}


class TrainerProcess:
    """A process that runs `trainer.main`, and the thread that hears it.

    It loads the libraries of the engine at once, and works from `begin` on.
    """

    def __init__(self, engine: str) -> None:
        # Never fork: a forked process would hold locks of the threads of Qt and torch.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=trainer.main,
            args=(theirs, engine),
            name="sparseseg-trainer",
            daemon=True,
        )
        let_threads_sleep()
        with _without_main_module():
            self._process.start()
        theirs.close()
        self._deadline = threading.Timer(STOP_SECONDS, self._process.kill)
        self._deadline.daemon = True

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    def begin(
        self, assignment: Assignment, *, hear: Callable[[Reply | Ended], None]
    ) -> None:
        """Let it work on a volume.

        `hear` is called in a thread, with every reply and last with `Ended`.
        """
        self._send(assignment)
        self._reader = threading.Thread(
            target=self._read,
            args=(hear,),
            name="sparseseg-session-reader",
            daemon=True,
        )
        self._reader.start()

    def dismiss(self) -> None:
        """End it before it has begun."""
        self._connection.close()

    def post(self, request: Request) -> None:
        """Send a request; it is lost if the process is, which `hear` is told."""
        self._send(request)

    def stop(self) -> None:
        """Let it end by itself, with a snapshot, after the item of work at hand."""
        self.post(Stop(keep=True))
        self._deadline.start()

    def end(self, *, keep: bool = False) -> None:
        """End it within two seconds: ask, then terminate, then kill.

        With `keep` it is asked to write a snapshot of its model first.
        """
        self.post(Stop(keep=keep))
        for harsher in (self._process.terminate, self._process.kill):
            self._reader.join(CLOSE_SECONDS / 2)
            if self._reader.is_alive():
                harsher()
        self._reader.join(CLOSE_SECONDS)

    def _send(self, message: Assignment | Request) -> None:
        with suppress(OSError):
            self._connection.send(message)

    def _read(self, hear: Callable[[Reply | Ended], None]) -> None:
        with suppress(EOFError, OSError):
            while True:
                hear(self._connection.recv())
        self._process.join()
        self._deadline.cancel()
        hear(Ended(self._process.exitcode or 0))
        self._connection.close()


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep a spawned process from importing the program it was started from.

    That would run an unguarded script of the user a second time, with a second window,
    and takes seconds and memory even where the program is guarded, as napari is.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
