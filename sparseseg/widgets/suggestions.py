"""Which slices to annotate next, kept up to date with what is painted and predicted."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.data.slices import well_labelled
from sparseseg.evaluation.gain import CoarseGrid
from sparseseg.evaluation.suggesting import Doubts, Suggestion, sides_of, suggested
from sparseseg.settings.looking import SLICES
from sparseseg.widgets.background import Background
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparseseg.evaluation.gain import Plane
    from sparseseg.session import SharedArrays
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.seat import Seat


class Suggestions(QObject):
    """Find them in a thread whenever slices were annotated or the volume predicted.

    Where the whole volume was predicted, its doubts count; before that, the gaps alone.
    """

    changed = Signal(object)
    """The new `Suggestion`s, the best first; none where nothing is annotated."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self.found: list[Suggestion] = []
        self._desk = desk
        self._known: list[Plane] = []
        self._seat: Seat | None = None
        self._work = Background("suggesting")
        self._work.done.connect(self._show)
        desk.ledger.counted.connect(self._on_counted)
        desk.whole_predictions.ended.connect(self._find)

    @property
    def views(self) -> list[SliceView]:
        """The suggested slices, the best first."""
        return [SliceView(one.axis, one.index) for one in self.found]

    def close(self) -> None:
        """End the thread."""
        self._work.close()

    def _on_counted(self, count: "LedgerCount | None") -> None:
        known = [] if count is None else well_labelled(count.ledger.slices, count.shape)
        seat = self._desk.link.seat
        if (seat, known) != (self._seat, self._known):
            self._seat, self._known = seat, known
            self._find()

    def _find(self) -> None:
        seat = self._desk.link.seat
        if seat is None or not self._known:
            self._work.forget()
            self._show([])
            return
        names = {c.number: c.name for c in self._desk.classes.table.classes}
        self._work.start(partial(_found, seat, self._known, names))

    def _show(self, found: object) -> None:
        assert isinstance(found, list)
        self.found = found
        self.changed.emit(found)


def _found(
    seat: "Seat", known: "list[Plane]", names: "Mapping[int, str]"
) -> list[Suggestion]:
    grid = CoarseGrid.of(seat.volume.shape, sides_of(seat.volume.spacing))
    doubts = _doubts(grid, seat.arrays) if seat.is_predicted else None
    return suggested(grid, known, count=SLICES, doubts=doubts, names=names)


def _doubts(grid: CoarseGrid, arrays: "SharedArrays") -> Doubts | None:
    return Doubts.of(
        grid,
        prediction=arrays.prediction,
        uncertainty=arrays.uncertainty,
        annotation=arrays.annotation,
    )
