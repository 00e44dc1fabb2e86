"""A canvas that shows as much as before, after docks took room from it or gave it back."""

from typing import TYPE_CHECKING

from napari.qt import QtViewer
from qtpy.QtWidgets import QApplication, QMainWindow

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtCore import QSize

LAYOUT_MS = 200
"""After so long docks have taken their room."""


class SameView:
    """Remember how large the canvas of a window is, before docks take room from it."""

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        # The window is looked for again: whoever keeps it would keep it from closing.
        self._before = _canvas_size(_window_of(viewer))
        self._smaller = 1.0

    def keep(self) -> None:
        """Zoom so that what was seen is seen again; once the docks have their room."""
        before, now = self._before, _canvas_size(_window_of(self._viewer))
        if before is None or now is None or before.isEmpty() or now.isEmpty():
            return
        across, down = now.width() / before.width(), now.height() / before.height()
        self._smaller = min(across, down)
        self._viewer.scene.camera.zoom *= self._smaller

    def give_back(self) -> None:
        """Zoom back, because the room will be the canvas's again."""
        self._viewer.scene.camera.zoom /= self._smaller


def _window_of(viewer: "ViewerModel") -> QMainWindow | None:
    for widget in QApplication.topLevelWidgets():
        for shown in widget.findChildren(QtViewer):
            if isinstance(widget, QMainWindow) and shown.viewer is viewer:
                return widget
    return None


def _canvas_size(window: QMainWindow | None) -> "QSize | None":
    return None if window is None else window.centralWidget().size()
