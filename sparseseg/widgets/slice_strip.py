"""One axis of the volume as a line, with a tick for every annotated slice."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.language import say
from sparseseg.widgets.padlock import draw_padlock
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

# Three of Okabe and Ito's colours: they differ for every eye, on dark and on light.
COMPLETE, PARTIAL, SUGGESTED = QColor("#009e73"), QColor("#e69f00"), QColor("#56b4e9")
_INSET = 5
_REACH = 4


class SliceStrip(QWidget):
    """One axis from its first to its last slice; a click asks for a slice."""

    asked = Signal(object)

    def __init__(self, axis: int) -> None:
        super().__init__()
        self._axis = axis
        self._length = 0
        self._slices: list[AnnotatedSlice] = []
        self._shown: int | None = None
        self._locked: frozenset[int] = frozenset()
        self._suggested: tuple[int, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            say(
                "Tall green ticks are complete slices, short orange ones are begun, blue rings "
                "are suggested, the triangle is the visible slice, a padlock means locked; "
                "click to go to a slice"
            )
        )

    def sizeHint(self) -> QSize:
        """Leave room for the line, its ticks and the marker."""
        return QSize(120, 20)

    def show_slices(
        self, length: int, slices: list[AnnotatedSlice], shown: int | None
    ) -> None:
        """Show the annotated slices of an axis of this length, and the visible one."""
        self._length, self._slices, self._shown = length, slices, shown
        self.update()

    def show_locked(self, indices: frozenset[int]) -> None:
        """Show which slices are locked."""
        if indices != self._locked:
            self._locked = indices
            self.update()

    def show_suggested(self, indices: tuple[int, ...]) -> None:
        """Mark the slices that are worth annotating next."""
        if indices != self._suggested:
            self._suggested = indices
            self.update()

    def mousePressEvent(self, event: "QMouseEvent") -> None:
        """Ask for the slice under the pointer, or the marked one close to it."""
        if self._length:
            index = self._index_at(event.pos().x())
            self.asked.emit(SliceView(self._axis, index))

    def paintEvent(self, event: "QPaintEvent") -> None:
        """Draw the line, the ticks and the marker."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = self.palette().text().color()
        line.setAlpha(80)
        painter.setPen(QPen(line, 1))
        middle = self.height() / 2
        painter.drawLine(QPointF(2, middle), QPointF(self.width() - 2, middle))
        for found in self._slices:
            self._draw_tick(painter, found)
        for index in self._suggested if self._length else ():
            self._draw_ring(painter, self._position(index))
        for index in self._locked if self._length else ():
            frame = QRectF(self._position(index) - 4, 0, 8, 10)
            draw_padlock(painter, frame, self.palette().text().color())
        if self._shown is not None and self._length:
            self._draw_marker(painter, self._position(self._shown))
        painter.end()

    def _draw_tick(self, painter: QPainter, found: AnnotatedSlice) -> None:
        half = 7.0 if found.complete else 4.0
        x, middle = self._position(found.index), self.height() / 2
        colour = COMPLETE if found.complete else PARTIAL
        painter.fillRect(QRectF(x - 1.5, middle - half, 3, 2 * half), colour)

    def _draw_ring(self, painter: QPainter, x: float) -> None:
        painter.setPen(QPen(SUGGESTED, 2))
        painter.setBrush(self.palette().window())
        painter.drawEllipse(QPointF(x, self.height() / 2), 3.5, 3.5)

    def _draw_marker(self, painter: QPainter, x: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().text())
        top = self.height() - 5.0
        corners = [(x, top), (x - 4, top + 5), (x + 4, top + 5)]
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))

    def _position(self, index: int) -> float:
        return _INSET + (self.width() - 2 * _INSET) * index / max(1, self._length - 1)

    def _index_at(self, x: int) -> int:
        marked = [*(s.index for s in self._slices), *self._suggested]
        near = [index for index in marked if abs(self._position(index) - x) <= _REACH]
        if near:
            return min(near, key=lambda index: abs(self._position(index) - x))
        share = (x - _INSET) / max(1, self.width() - 2 * _INSET)
        return round(min(1.0, max(0.0, share)) * (self._length - 1))
