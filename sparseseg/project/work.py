"""How long a person worked on annotations, and with what, as the journal has it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from sparseseg.project.deltas import Delta
from sparseseg.project.entries import STROKES, JournalEntry

PAUSE = 120.0
"""Seconds without a change after which a person is taken to have paused."""


@dataclass(slots=True)
class Work:
    """Sums over the changes of a project; undone ones are work as well."""

    entries: int = 0
    strokes: int = 0
    """Entries of brush, eraser, fill and polygon."""
    seconds: float = 0.0
    by_class: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds by what was painted; 0 is what was erased, 255 is background."""
    by_tool: Counter[str] = field(default_factory=Counter)
    """Changed voxels by tool."""
    by_hour: Counter[int] = field(default_factory=Counter)
    """Entries in each hour since 1970."""
    by_volume: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds by volume."""


def work_in(changes: Iterable[tuple[JournalEntry, list[Delta]]]) -> Work:
    """Add up the work in the changes of a journal, in their order.

    The time between two changes counts for the later one, unless it is longer than
    `PAUSE`. A clock that was set back counts nothing.
    """
    work, before = Work(), None
    for entry, deltas in changes:
        work.entries += 1
        work.strokes += entry.action == "change" and entry.tool in STROKES
        work.by_hour[int(entry.time // 3600)] += 1
        gap = 0.0 if before is None else entry.time - before
        before = entry.time
        seconds = gap if 0 < gap <= PAUSE else 0.0
        work.seconds += seconds
        work.by_volume[entry.volume] += seconds
        voxels = _voxels(deltas)
        if entry.action == "change":
            work.by_tool[entry.tool] += sum(voxels.values())
        if voxels:
            most = max(voxels, key=lambda number: voxels[number])
            work.by_class[most] += seconds
    return work


def _voxels(deltas: list[Delta]) -> Counter[int]:
    """Return how many voxels became each value."""
    found: Counter[int] = Counter()
    for delta in deltas:
        values, counts = np.unique(
            delta.new[delta.new != delta.old], return_counts=True
        )
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[int(value)] += int(count)
    return found
