"""The tiles of a large volume that are done, kept through a sudden end."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparseseg.boxes import Tile
from sparseseg.engine.output import Output, Wanted, Workers
from sparseseg.evaluation.confidence import Confidence


class TileLog:
    """A file with one line a tile, which says for what batch its tiles are good."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key

    @property
    def is_begun(self) -> bool:
        """Whether tiles of this volume, model and settings are there."""
        return self._head() == self._key

    def begin(self) -> None:
        """Start anew, without tiles."""
        self.path.write_text(json.dumps({"key": self._key}), encoding="utf-8")

    def forget(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def add(self, tile: Tile, confidence: Confidence | None) -> None:
        """Append a tile whose voxels are on the disk."""
        sums = None if confidence is None else confidence.sums
        line = json.dumps({"tile": _name(tile), "sums": sums})
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + line)  # a line that was cut stays on its own
            file.flush()
            os.fsync(file.fileno())

    def tiles(self) -> dict[str, Any]:
        """Return the sums of each tile that is there; a line that was cut counts not."""
        found = {}
        for line in self._lines()[1:]:
            try:
                row = json.loads(line)
                found[str(row["tile"])] = row["sums"]
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def _head(self) -> str | None:
        try:
            return str(json.loads(self._lines()[0])["key"])
        except (IndexError, ValueError, KeyError, TypeError):
            return None

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return []


@dataclass(frozen=True, slots=True, eq=False)
class KeptTiles:
    """Workers whose answers are on the disk before the next one is asked for.

    Tiles that the log has are not computed again: they are read from the arrays.
    """

    workers: Workers
    out: Output
    log: TileLog
    is_changed_afterwards: bool
    """Whether rules change the labels, so that they cannot be gone on from."""

    def answers(
        self, tiles: Sequence[Tile], wanted: Wanted
    ) -> Iterator[tuple[Tile, Output]]:
        """Yield each tile with its prediction, those that are there first."""
        there = self.log.tiles()
        for tile in tiles:
            if _name(tile) in there:
                yield tile, self._read(tile, wanted, there[_name(tile)])
        rest = [tile for tile in tiles if _name(tile) not in there]
        for tile, part in self.workers.answers(rest, wanted):
            yield tile, part  # the caller writes it before it asks again
            self._flush()
            self.log.add(tile, part.confidence)
        if self.is_changed_afterwards:
            self.log.forget()

    def _read(self, tile: Tile, wanted: Wanted, sums: Any) -> Output:
        where = tile.write.slices
        shares = self.out.uncertainty
        confidence = None
        if wanted.confidence is not None:
            confidence = wanted.confidence.blank()
            confidence.restore(sums)
        return Output(
            np.array(self.out.labels[where]),
            None if shares is None else np.array(shares[where]),
            confidence=confidence,
            start=tile.write.start,
        )

    def _flush(self) -> None:
        for array in (self.out.labels, self.out.uncertainty):
            if isinstance(array, np.memmap):
                array.flush()


def _name(tile: Tile) -> str:
    """Return the voxels of a tile, and how many there are in the plan, as one word."""
    box = tile.write
    words = f"{box.start}{box.stop}{tile.total}"
    return hashlib.sha256(words.encode()).hexdigest()[:16]
