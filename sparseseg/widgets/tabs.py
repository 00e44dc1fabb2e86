"""Our docks as tabs of one place, so that none takes the room of another."""

from functools import partial

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_MARK = "is_dock_of_sparseseg"


def mark_as_dock(widget: QWidget) -> None:
    """Let other docks of ours find this one."""
    widget.setProperty(_MARK, True)


def join_tabs(widget: QWidget) -> None:
    """Lay the dock of a shown widget as a tab on our other dock, and bring it to front."""
    # The window places a new dock only after it has shown it.
    timer = QTimer(widget, singleShot=True, interval=0)
    timer.timeout.connect(partial(_join, widget))
    timer.start()


def _join(widget: QWidget) -> None:
    window, dock = widget.window(), _dock_of(widget)
    if dock is None or not isinstance(window, QMainWindow):
        return
    others = (
        _dock_of(other) for other in window.findChildren(QWidget) if _is_ours(other)
    )
    for other in others:
        if other not in (None, dock) and other not in window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(other, dock)
            dock.raise_()
            return


def _is_ours(widget: QWidget) -> bool:
    return bool(widget.property(_MARK))


def _dock_of(widget: QWidget) -> QDockWidget | None:
    above: QWidget | None = widget
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parentWidget()
    return above
