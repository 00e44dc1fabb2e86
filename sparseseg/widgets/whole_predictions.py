"""Tells when the whole volume has been predicted, and not only a few slices of it."""

from math import prod
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from sparseseg.session.events import Phase

if TYPE_CHECKING:
    from sparseseg.session.events import Painted
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.relay import Relay
    from sparseseg.widgets.seat import Seat


class WholePredictions(QObject):
    """Count the voxels that a prediction writes: each of a volume is written once."""

    ended = Signal(object)
    """The `Seat` whose whole volume was predicted."""

    def __init__(self, link: "LayerLink", relay: "Relay") -> None:
        super().__init__()
        self._link = link
        self._phase = Phase.IDLE
        self._written = 0
        self._seat: Seat | None = None
        relay.phase.connect(self._on_phase)
        relay.painted.connect(self._on_painted)

    def _on_phase(self, phase: Phase) -> None:
        before, self._phase = self._phase, phase
        if phase is Phase.PREDICTING:
            self._seat, self._written = self._link.at_work, 0
        elif before is Phase.PREDICTING:
            self._end()

    def _end(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None and self._written >= prod(seat.volume.shape):
            seat.is_predicted = True
            self.ended.emit(seat)

    def _on_painted(self, painted: "Painted") -> None:
        self._written += prod(painted.box.shape)
