"""What happens before the window, or the panel alone, is closed."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject

from sparseseg.language import say
from sparseseg.widgets.asking import may_lose_model

if TYPE_CHECKING:
    from sparseseg.widgets.dock import SegmentationDock


class CloseGuard(QObject):
    """Ask about a model that is not saved before the window that holds a dock closes."""

    def __init__(self, dock: "SegmentationDock") -> None:
        super().__init__(dock)
        self._dock = dock

    def follow(self) -> None:
        """Watch the window that the dock is in now; doing so twice is fine."""
        window = self._dock.window()
        if window is not self._dock:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the window open where the user wants to keep the model."""
        is_closing = event.type() == QEvent.Type.Close
        is_ours = is_closing and watched is self._dock.window()
        if is_ours and self._stays_open():
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def _stays_open(self) -> bool:
        """Ask about the model; where it cannot be saved, say why and stay open."""
        may_close, dock = False, self._dock
        with dock.messages.catching():
            may_close = may_lose_model(dock, dock.desk, _BEFORE_CLOSING)
        return not may_close


_BEFORE_CLOSING = say(
    "The model that you trained is not saved. Save it before you close the window?"
)
