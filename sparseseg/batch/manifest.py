"""What of a batch is done: one line a volume, kept through a sudden end."""

import json
import os
from pathlib import Path

from sparseseg.batch.items import STATE_FOLDER
from sparseseg.reporting.entry import VolumeEntry

_NAME = "manifest.jsonl"


class Manifest:
    """The lines of one output folder; the last line of a volume holds."""

    def __init__(self, output: Path) -> None:
        self.path = output / STATE_FOLDER / _NAME
        self._entries = _read(self.path)

    def get(self, name: str) -> VolumeEntry | None:
        """Return what is known of a volume."""
        return self._entries.get(name)

    @property
    def entries(self) -> list[VolumeEntry]:
        """What is known of all volumes."""
        return list(self._entries.values())

    def add(self, entry: VolumeEntry) -> None:
        """Append a line, and wait until the disk has it."""
        self._entries[entry.name] = entry
        line = json.dumps(entry.to_json())  # in ASCII: a name may hold any character
        is_torn = self.path.exists() and not _ends_whole(self.path)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if is_torn else "") + line + "\n")
            file.flush()
            os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path) -> dict[str, VolumeEntry]:
    """Read all lines that are whole: a process may have ended within the last one."""
    found: dict[str, VolumeEntry] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            entry = VolumeEntry(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[entry.name] = entry
    return found
