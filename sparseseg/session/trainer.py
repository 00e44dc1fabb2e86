"""The training process, from its start to its end."""

import importlib
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import cast

from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import template
from sparseseg.session.loop import WorkLoop, telling_failures
from sparseseg.session.messages import Assignment, Reply, Request
from sparseseg.session.protocol import EngineContract
from sparseseg.session.shared import SharedVolume

_LOGGER = logging.getLogger(__name__)
_BELOW_NORMAL_PRIORITY_CLASS = 0x4000


def main(connection: Connection, engine_name: str) -> None:
    """Do what comes through the connection, until a `Stop` or the end of the window.

    The libraries of the engine, a module with the class `Engine` (see `protocol`), are
    loaded at once; first of all an `Assignment` has to come.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window to handle
    _stand_back()
    begun: SimpleQueue[tuple[Assignment, SharedVolume]] = SimpleQueue()
    inbox: SimpleQueue[Request] = SimpleQueue()
    listener = threading.Thread(
        target=_listen, args=(connection, begun, inbox), daemon=True
    )
    listener.start()
    _load(engine_name)
    assignment, shared = begun.get()
    _log_to(assignment.log)

    def send(reply: Reply) -> None:
        with suppress(OSError):  # the window is gone: the listener sees to that
            connection.send(reply)

    with telling_failures(send, log=assignment.log):
        engine = _open_engine(engine_name, assignment, shared)
        loop = WorkLoop(
            engine, shared.arrays, assignment, send=send, clock=time.monotonic
        )
        loop.run(inbox)


def _load(engine_name: str) -> None:
    """Import all that an engine needs; what is wrong with it is told when it is opened."""
    with suppress(Exception):
        importlib.import_module(engine_name).Engine()


def _open_engine(
    engine_name: str, assignment: Assignment, shared: SharedVolume
) -> EngineContract:
    module = importlib.import_module(engine_name)
    engine = cast("EngineContract", module.Engine())
    shared.wait()
    image = assignment.reopen() if assignment.reopen else shared.image
    assert image is not None, "an image that is not on disk was copied"
    volume = Volume(array=image, **assignment.facts)
    if volume.shape != shared.arrays.annotation.shape:
        raise UserError(_CHANGED, now=volume.shape, name=volume.name)
    engine.open(volume, shared.arrays.annotation)
    return engine


_CHANGED = template(
    "the file of {name!r} has changed since it was opened, it is {now} voxels now: remove "
    "the image from the window, and open it again"
)


def _listen(
    connection: Connection,
    begun: SimpleQueue[tuple[Assignment, SharedVolume]],
    inbox: SimpleQueue[Request],
) -> None:
    """Take requests off the pipe at once, so that posting never blocks the window."""
    code = 1  # of a fault of ours
    try:
        assignment = connection.recv()
        shared = SharedVolume.attach(assignment.layouts)
        begun.put((assignment, shared))
        _take(connection, inbox, shared)
    except (EOFError, OSError):
        code = 0  # nobody waits for an answer any more
    except Exception:
        _LOGGER.exception("the training process could not begin")
    os._exit(code)  # the loop may be deep in a step


def _take(
    connection: Connection, inbox: SimpleQueue[Request], shared: SharedVolume
) -> None:
    try:
        while True:
            inbox.put(connection.recv())
    finally:  # the window died, and nobody else can give the memory back
        shared.unlink()


def _stand_back() -> None:
    """Lower this process's priority, so that painting stays smooth."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(
            kernel.GetCurrentProcess(), _BELOW_NORMAL_PRIORITY_CLASS
        )
    else:
        os.nice(10)


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, delay=True, encoding="utf-8")
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger("sparseseg").addHandler(handler)
