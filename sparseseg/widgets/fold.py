"""A plain button with a triangle that shows and hides what lies below it."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QWidget


class FoldButton(QToolButton):
    """Show widgets while it is checked; it begins unchecked."""

    def __init__(self, text: str, tip: str) -> None:
        super().__init__(text=text)
        self._folded: list[QWidget] = []
        self.setCheckable(True)
        self.setProperty("role", "fold")
        self.setToolTip(tip)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.toggled.connect(self._show)
        self._show(wanted=False)

    @property
    def last(self) -> QWidget | None:
        """The lowest of what it shows."""
        return self._folded[-1] if self._folded else None

    def fold(self, *widgets: QWidget) -> None:
        """Show and hide these from now on."""
        self._folded = list(widgets)
        self._show(self.isChecked())

    def _show(self, wanted: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if wanted else Qt.ArrowType.RightArrow
        self.setArrowType(arrow)
        for widget in self._folded:
            widget.setVisible(wanted)
