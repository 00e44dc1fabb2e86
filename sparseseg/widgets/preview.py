"""Previews that follow the slice on the screen."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer
from superqt.utils import QSignalThrottler

from sparseseg.session.events import Phase

if TYPE_CHECKING:
    from sparseseg.session.events import Painted
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.planes import ThreePlanes

_ASK_MS = 200
_DRAW_MS = 100


class PreviewWatch(QObject):
    """Ask for the visible slices when they change, and draw what came back.

    Both are throttled: a slider sends far more slices than anyone sees.
    """

    def __init__(
        self,
        desk: "Desk",
        planes: "ThreePlanes",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._link = desk.session, desk.link
        self._results, self._painter = desk.results, desk.painter
        self._planes = planes
        self._asking = QSignalThrottler(parent=self)
        self._asking.setTimeout(_ASK_MS)
        self._asking.triggered.connect(self._ask)
        self._drawing = QSignalThrottler(parent=self)
        self._drawing.setTimeout(_DRAW_MS)
        self._drawing.triggered.connect(desk.results.refresh)
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(desk.results.show_uncertainty)
        desk.painter.view_changed.connect(self._on_view)
        planes.moved.connect(self._on_view)
        desk.relay.phase.connect(self._on_phase)
        desk.relay.painted.connect(self._on_painted)

    def _on_view(self) -> None:
        self._asking.throttle()

    def _on_phase(self, phase: Phase) -> None:
        if phase in (Phase.TRAINING, Phase.PREDICTING):
            self._show()

    def _ask(self) -> None:
        view = self._painter.view
        if view is not None and self._link.is_at_work:
            beside = ((other.axis, other.index) for other in self._planes.slices)
            self._session.preview(view.axis, view.index, *beside)

    def _on_painted(self, painted: "Painted") -> None:
        if not self._link.is_at_work:
            return
        if self._results.prediction is None:
            self._show()
        if self._is_visible(painted):
            self._drawing.throttle()

    def _show(self) -> None:
        """Add the layers one after the other: napari takes long for each."""
        if not self._link.is_at_work:
            return
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
