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

_BELOW_NORMAL_PRIORITY_CLASS = 0x4000


def main(connection: Connection, assignment: Assignment) -> None:
    """Do what comes through the connection, until a `Stop` or the end of the window."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window to handle
    _stand_back()
    _log_to(assignment.log)
    shared = SharedVolume.attach(assignment.layouts)
    inbox: SimpleQueue[Request] = SimpleQueue()
    listener = threading.Thread(
        target=_listen, args=(connection, inbox, shared), daemon=True
    )
    listener.start()

    def send(reply: Reply) -> None:
        with suppress(OSError):  # the window is gone: the listener sees to that
            connection.send(reply)

    with telling_failures(send, log=assignment.log):
        engine = _open_engine(assignment, shared)
        loop = WorkLoop(
            engine, shared.arrays, assignment, send=send, clock=time.monotonic
        )
        loop.run(inbox)


def _open_engine(assignment: Assignment, shared: SharedVolume) -> EngineContract:
    module = importlib.import_module(assignment.engine)
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
    connection: Connection, inbox: SimpleQueue[Request], shared: SharedVolume
) -> None:
    """Take requests off the pipe at once, so that posting never blocks the window."""
    with suppress(EOFError, OSError):
        while True:
            inbox.put(connection.recv())
    # The window died. Nobody else can give the memory back, and the loop may be deep in
    # a step that takes long.
    shared.unlink()
    os._exit(0)


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
