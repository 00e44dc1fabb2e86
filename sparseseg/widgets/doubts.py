"""The places of a prediction that are worth a look, found in a thread."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.data.labels import SparseLabels
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.reporting.doubtful import look_through
from sparseseg.settings.looking import PLACES
from sparseseg.widgets.background import Background

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparseseg.evaluation.doubt import Place
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.seat import Seat

    Found = tuple[Seat, NDArray[np.uint8], list[Place]]


class DoubtfulPlaces(QObject):
    """Find the doubtful places of the visible volume, and step through them."""

    changed = Signal()
    failed = Signal(str)

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self.places: list[Place] = []
        """The worst first."""
        self._desk = desk
        self._next = 0
        self._work = Background("doubts")
        self._work.done.connect(self._take)
        self._work.failed.connect(self.failed)
        desk.whole_predictions.ended.connect(self._forget)
        desk.link.opened.connect(self._forget)

    def find(self) -> None:
        """Begin; raises `UserError` where the volume was not predicted or annotated."""
        seat = self._desk.link.seat
        if seat is None or not seat.is_predicted:
            raise UserError(_NOT_PREDICTED)
        self._work.start(partial(_found, seat))

    def go_to(self, index: int) -> None:
        """Show a place in all planes."""
        place = self.places[index]
        self._next = index + 1
        self._desk.painter.go_to_voxel(place.at)

    def go_to_next(self) -> None:
        """Show the next place, after the last one the worst again."""
        if not self.places:
            raise UserError(_NOTHING)
        self.go_to(self._next % len(self.places))

    def close(self) -> None:
        """End the thread."""
        self._work.close()

    def _forget(self, _changed: object) -> None:
        """Drop places that are about another prediction or volume."""
        self._work.forget()
        self.places, self._next = [], 0
        self.changed.emit()

    def _take(self, found: "Found") -> None:
        seat, doubt, self.places = found
        self._next = 0
        if seat is self._desk.link.seat:
            self._desk.results.show_doubt(doubt)
        self.changed.emit()


def _found(seat: "Seat") -> "Found":
    arrays, volume = seat.arrays, seat.volume
    doubt = look_through(
        volume,
        SparseLabels(arrays.annotation),
        prediction=arrays.prediction,
        uncertainty=arrays.uncertainty,
    )
    return seat, doubt.whole(volume.shape), doubt.worst(arrays.prediction, PLACES)


_NOT_PREDICTED = say("Press Predict volume first: the prediction is looked through.")
_NOTHING = say("No doubtful place is known: press Find doubtful places in step 4.")
