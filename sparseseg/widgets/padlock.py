"""The sign of what is locked, drawn: not every font has one."""

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

_SIDE = 28


def padlock_icon(colour: QColor) -> QIcon:
    """Return a padlock of a colour as an icon, the same in a selected row."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw_padlock(painter, QRectF(6, 3, 16, 22), colour)
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon


def draw_padlock(painter: QPainter, frame: QRectF, colour: QColor) -> None:
    """Draw a padlock that fills a frame: a body below, and a bow above it."""
    body = QRectF(frame)
    body.setTop(frame.top() + 0.45 * frame.height())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawRoundedRect(body, 1, 1)
    thick = max(1.0, frame.width() / 6)
    bow = QRectF(0, 0, 0.6 * frame.width(), 0.8 * frame.height())
    bow.moveCenter(QPointF(frame.center().x(), body.top()))
    bow.moveTop(frame.top() + thick / 2)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, thick))
    painter.drawArc(bow, 0, 180 * 16)
