"""A command of ours in a process of its own, heard line by line."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from sparseseg.language import say


class CommandProcess(QObject):
    """Run `sparseseg ...`, so that a window has no second way of doing things.

    `told` gives each JSON object that it prints, `ended` the last words on stderr if it
    failed, else "".
    """

    told = Signal(dict)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._rest = b""
        self._is_stopped = False

    @property
    def is_running(self) -> bool:
        """Whether the command is at work."""
        return self._process is not None

    def start(self, words: Sequence[str]) -> None:
        """Start a command; an earlier one has to have ended."""
        assert self._process is None
        self._rest, self._is_stopped = b"", False
        process = self._process = QProcess(self)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._finish)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONIOENCODING", "utf-8")
        process.setProcessEnvironment(environment)
        process.start(sys.executable, ["-m", "sparseseg", *words])

    def stop(self) -> None:
        """End the command; what it had finished stays."""
        if self._process is not None:
            self._is_stopped = True
            self._process.kill()

    def close(self) -> None:
        """End the command, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.finished.disconnect(self._finish)
            process.kill()
            process.waitForFinished(2000)

    def _read(self) -> None:
        if self._process is None:
            return
        self._rest += bytes(self._process.readAllStandardOutput())
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            if (found := _object(line)) is not None:
                self.told.emit(found)

    def _finish(self, code: int, *_: object) -> None:
        self._read()
        process, self._process = self._process, None
        assert process is not None
        said = bytes(process.readAllStandardError()).decode("utf-8", "replace")
        words = said.strip().splitlines()[-1:] or [say("it ended without a message")]
        process.deleteLater()
        failed = code != 0 and not self._is_stopped
        self.ended.emit(words[0].removeprefix("sparseseg: ") if failed else "")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
