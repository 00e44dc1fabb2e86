"""Slices that are completed, scored with the prediction that had not seen them."""

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.classes import UNLABELLED
from sparseseg.data.slices import well_labelled
from sparseseg.evaluation.slice_score import SliceScore, UnseenPlane
from sparseseg.widgets.background import Background
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparseseg.boxes import Box
    from sparseseg.evaluation.gain import Plane
    from sparseseg.session.events import Painted
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.seat import Seat

_MOST = 48  # planes that are remembered


class SliceScores(QObject):
    """Remember what was predicted on slices that are still empty; score them later.

    A slice counts once it is complete. It does not count if a proposal was accepted on
    it, because then it began as what would be scored.
    """

    scored = Signal(object)
    """A new `SliceScore`."""
    changed = Signal(object)
    """The `SliceScore`s of the visible volume by axis and index."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._seat: Seat | None = None
        self._unseen: OrderedDict[Plane, UnseenPlane] = OrderedDict()
        self._touched: set[Plane] = set()
        self._complete: set[Plane] = set()
        self._newest = ("network", 0)
        self._waiting: list[tuple[Plane, UnseenPlane, NDArray[np.uint8]]] = []
        self.found: dict[Plane, SliceScore] = {}
        self._work = Background("scoring")
        self._work.done.connect(self._take)
        desk.relay.painted.connect(self._on_painted)
        desk.painter.view_changed.connect(self._on_view)
        desk.filling.accepted.connect(self._on_accepted)
        desk.whole_predictions.ended.connect(self._on_whole)
        desk.ledger.counted.connect(self._on_counted)
        desk.project.changed.connect(self._meet_project)

    def close(self) -> None:
        """End the thread."""
        self._work.close()

    def _on_painted(self, painted: "Painted") -> None:
        if not self._desk.link.is_at_work:
            return
        self._newest = (painted.method, painted.step)
        for plane in _planes_of(painted.box)[:1]:
            self._remember(plane)

    def _on_view(self, view: SliceView | None) -> None:
        """Remember the visible slice of a volume that was predicted as a whole."""
        seat = self._desk.link.seat
        if view is not None and seat is not None and seat.is_predicted:
            self._remember((view.axis, view.index))

    def _on_whole(self, _seat: "Seat") -> None:
        self._on_view(self._desk.painter.view)

    def _on_accepted(self, within: "Box | None") -> None:
        """Let a slice not count; where a class was accepted, none that is remembered."""
        planes = list(self._unseen) if within is None else _planes_of(within)
        for plane in planes:
            self._touched.add(plane)
            self._unseen.pop(plane, None)

    def _remember(self, plane: "Plane") -> None:
        seat, count = self._desk.link.seat, self._desk.ledger.count
        if seat is None or seat is not self._seat or plane in self._touched:
            return
        view = SliceView(*plane)
        known = seat.arrays.annotation[view.selection]
        if count is None or _is_painted(known, plane, count):
            return
        prediction = seat.arrays.prediction[view.selection].copy()
        self._unseen[plane] = UnseenPlane(prediction, known.copy(), *self._newest)
        self._unseen.move_to_end(plane)
        if len(self._unseen) > _MOST:
            self._unseen.popitem(last=False)

    def _on_counted(self, count: "LedgerCount | None") -> None:
        seat = self._desk.link.seat
        if count is None or seat is not self._seat:
            self._begin(seat)
        if seat is None or count is None:
            return
        self._touched |= set(well_labelled(count.ledger.slices, count.shape))
        complete = {(s.axis, s.index) for s in count.ledger.slices if s.complete}
        for plane in complete - self._complete:
            if (unseen := self._unseen.get(plane)) is not None:
                now = seat.arrays.annotation[SliceView(*plane).selection].copy()
                self._waiting.append((plane, unseen, now))
        self._complete = complete
        if self._waiting:
            self._work.start(partial(_scores, seat, tuple(self._waiting)))

    def _begin(self, seat: "Seat | None") -> None:
        """Forget the volume before."""
        self._seat, self._waiting = seat, []
        self._unseen.clear()
        self._touched.clear()
        self._complete.clear()
        self.found = {}
        self.changed.emit(self.found)

    def _meet_project(self) -> None:
        """Show the scores that the project has of this volume, and keep the others there."""
        project = self._desk.project
        if self._seat is None or self._desk.link.seat is not self._seat:
            return
        kept = {(s.axis, s.index): s for s in project.scores}
        for plane, score in self.found.items():
            if kept.get(plane) != score:
                project.keep_score(score)
        if kept.keys() - self.found.keys():
            self.found = kept | self.found
            self.changed.emit(self.found)

    def _take(self, made: "tuple[Seat, list[SliceScore]]") -> None:
        seat, scores = made
        if seat is not self._seat:
            return
        self._waiting = []
        for score in scores:
            self.found[score.axis, score.index] = score
            self._desk.project.keep_score(score)
            self.scored.emit(score)
        self.changed.emit(self.found)


def _planes_of(box: "Box") -> "list[Plane]":
    """Return the slices that a box is a part of, if it is so thin."""
    shape = enumerate(box.shape)
    return [(axis, box.start[axis]) for axis, length in shape if length == 1]


def _is_painted(
    known: "NDArray[np.uint8]", plane: "Plane", count: "LedgerCount"
) -> bool:
    """Tell whether a plane has labels where no slice that is annotated crosses it."""
    own = known != UNLABELLED
    rows, columns = (axis for axis in range(3) if axis != plane[0])
    for axis, index in well_labelled(count.ledger.slices, count.shape):
        if axis == rows:
            own[index] = False
        elif axis == columns:
            own[:, index] = False
    return bool(own.any())


def _scores(
    seat: "Seat",
    planes: "tuple[tuple[Plane, UnseenPlane, NDArray[np.uint8]], ...]",
) -> "tuple[Seat, list[SliceScore]]":
    return seat, [SliceScore.of(*plane) for plane in planes]
