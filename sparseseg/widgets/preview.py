"""Previews that follow the slice on the screen."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer
from superqt.utils import QSignalThrottler

from sparseseg.session.events import Phase

if TYPE_CHECKING:
    from sparseseg.session import Session
    from sparseseg.session.events import Painted
    from sparseseg.widgets.painting import Painter
    from sparseseg.widgets.planes import ThreePlanes
    from sparseseg.widgets.relay import Relay
    from sparseseg.widgets.result_layers import ResultLayers

_ASK_MS = 200
_DRAW_MS = 100


class PreviewWatch(QObject):
    """Ask for the visible slices when they change, and draw what came back.

    Both are throttled: a slider sends far more slices than anyone sees.
    """

    def __init__(
        self,
        session: "Session",
        relay: "Relay",
        results: "ResultLayers",
        painter: "Painter",
        planes: "ThreePlanes",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._results = results
        self._painter = painter
        self._planes = planes
        self._asking = QSignalThrottler(parent=self)
        self._asking.setTimeout(_ASK_MS)
        self._asking.triggered.connect(self._ask)
        self._drawing = QSignalThrottler(parent=self)
        self._drawing.setTimeout(_DRAW_MS)
        self._drawing.triggered.connect(results.refresh)
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(results.show_uncertainty)
        painter.view_changed.connect(self._on_view)
        planes.moved.connect(self._on_view)
        relay.phase.connect(self._on_phase)
        relay.painted.connect(self._on_painted)

    def _on_view(self) -> None:
        self._asking.throttle()

    def _on_phase(self, phase: Phase) -> None:
        if phase in (Phase.TRAINING, Phase.PREDICTING):
            self._show()

    def _ask(self) -> None:
        view = self._painter.view
        if view is not None:
            beside = ((other.axis, other.index) for other in self._planes.slices)
            self._session.preview(view.axis, view.index, *beside)

    def _on_painted(self, painted: "Painted") -> None:
        if self._results.prediction is None:
            self._show()
        if self._is_visible(painted):
            self._drawing.throttle()

    def _show(self) -> None:
        """Add the layers one after the other: napari takes long for each."""
        self._results.show()
        self._next.start()

    def _is_visible(self, painted: "Painted") -> bool:
        view = self._painter.view
        if view is None:
            return True
        box = painted.box
        return any(
            box.start[one.axis] <= one.index < box.stop[one.axis]
            for one in (view, *self._planes.slices)
        )
