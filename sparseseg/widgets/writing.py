"""Changes of a whole annotation, made while the window goes on."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from sparseseg.boxes import Box, tiles
from sparseseg.language import say

if TYPE_CHECKING:
    from napari.layers import Labels

    from sparseseg.project.entries import Tool
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.painting import Painter

Change = Callable[[Box], int]
"""Changes the voxels of a box, not yet shown; returns how many."""
_VOXELS = 2**17  # napari takes about 10 ms to write as many
_TURN = 0.02
"""Seconds to write in before Qt has its turn."""


@dataclass(slots=True)
class _Job:
    """A layer, what changes it, and how far that is."""

    layer: "Labels"
    change: Change
    boxes: deque[Box]
    mode: str
    """What the pointer did before, and does again in the end."""
    tool: "Tool"
    ended: Callable[[int], object]
    history: ExitStack = field(default_factory=ExitStack)
    changed: int = 0


class Writing(QObject):
    """Change an annotation in small parts between the events of the window.

    All parts are one step to undo. One change is made after the other.
    """

    failed = Signal(str)

    def __init__(self, link: "LayerLink", painter: "Painter") -> None:
        super().__init__()
        self._link = link
        self._painter = painter
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._go_on)
        self._job: _Job | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._job is not None

    def start(
        self,
        layer: "Labels",
        change: Change,
        *,
        within: Box | None = None,
        tool: "Tool",
        ended: Callable[[int], object],
    ) -> None:
        """Begin to change a layer, or a box of it; `ended` is told how many voxels changed.

        What takes one turn is done when this returns. Nothing else may be under way.
        """
        assert not self.is_busy, "one change is made after the other"
        parts = _parts(within or Box.whole(layer.data.shape))
        self._job = job = _Job(layer, change, parts, str(layer.mode), tool, ended)
        layer.mode = "pan_zoom"  # a stroke would become part of this step
        job.history.enter_context(layer.block_history())
        self._timer.start()
        self._go_on()

    def close(self) -> None:
        """Write no more; what was written stays, and can be undone."""
        self._end()

    def _go_on(self) -> None:
        job = self._job
        assert job is not None, "the timer runs while something is written"
        if all(job.layer is not seat.annotation for seat in self._link.seats):
            self._end()
            self.failed.emit(_REMOVED)
            return
        until = time.perf_counter() + _TURN
        while job.boxes:
            job.changed += job.change(job.boxes.popleft())
            if time.perf_counter() > until:
                break
        if not job.boxes:
            self._end()
            job.ended(job.changed)

    def _end(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self._timer.stop()
            with self._painter.using(job.tool):
                job.history.close()
            job.layer.refresh()
            job.layer.mode = job.mode


def _parts(box: Box) -> deque[Box]:
    """Cut a box into parts of whole rows that are written one by one."""
    _, rows, columns = box.shape
    many = max(1, _VOXELS // columns)
    tile = (max(1, many // rows), min(rows, many), columns)
    return deque(part.write for part in tiles(box.stop, tile=tile, box=box))


_REMOVED = say("The annotation was removed while labels were copied into it.")
