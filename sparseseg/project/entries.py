"""What a journal is made of: entries, the steps that they belong to, and their planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparseseg.boxes import Box, Triple
from sparseseg.project.deltas import Delta

Tool = Literal[
    "brush",
    "eraser",
    "fill",
    "polygon",
    "edit",
    "script",
    "import",
    "prediction",
    "interpolation",
    "threshold",
    "growing",
    "layer",
    "file",
    "proposal",
]
"""What changed an annotation. Those from "prediction" on are accepted proposals."""
STROKES: frozenset[Tool] = frozenset({"brush", "eraser", "fill", "polygon"})
"""The tools of a hand, which the choice of what may be painted over is for."""
Action = Literal["change", "undo", "redo"]
Turn = Literal["undo", "redo"]
State = Literal["open", "complete", "locked"]
START = 0
"""The step of what an annotation began with: it is never undone."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What the journal says of one entry, without its voxels."""

    number: int
    volume: str
    step: int
    action: Action
    tool: str
    author: str
    time: float
    """Seconds since 1970 by the clock of that moment."""


@dataclass(frozen=True, slots=True)
class Change:
    """The deltas of one volume that an undo or a redo makes."""

    volume: str
    step: int
    tool: str
    deltas: tuple[Delta, ...]


PLANE = "axis, z0, y0, x0, z1, y1, x1, voxels"
"""The columns of `change` that a delta is made of."""
PLANE_WITH_STATE = "axis, z0, y0, x0, z1, y1, x1, state, voxels"


def row_of(delta: Delta) -> tuple[Any, ...]:
    """Return axis and box of a delta as columns of `change`."""
    return (delta.axis, *delta.box.start, *delta.box.stop)


def delta_of(row: Sequence[Any], shape: Triple) -> Delta:
    """Return the delta of a row `PLANE`; raise `UserError` where it does not fit a shape."""
    axis, z0, y0, x0, z1, y1, x1, voxels = row
    return Delta.unpack(axis, Box((z0, y0, x0), (z1, y1, x1)), voxels, shape)
