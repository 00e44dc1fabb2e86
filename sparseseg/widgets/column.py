"""The steps below each other; in a short window, those that do not fit are folded."""

from collections.abc import Sequence
from functools import partial

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.section import Section

_MARGIN = 6
"""Pixels round what is scrolled to, and between the steps."""


class Column(QScrollArea):
    """Show steps so that the one that a person opens can be used without scrolling."""

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = tuple(sections)
        self._opened: Section | None = None
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._fit)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        body = QWidget()
        steps = QVBoxLayout(body)
        steps.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        steps.setSpacing(_MARGIN)
        for section in self._sections:
            steps.addWidget(section)
            section.opened.connect(partial(self.make_room, section))
        steps.addStretch()
        self.setWidget(body)
        for fold in body.findChildren(FoldButton):
            fold.toggled.connect(partial(self._on_fold, fold))

    def make_room(self, opened: Section) -> None:
        """Fold the steps farthest from one until it fits, and show that one."""
        self._opened = opened
        self._soon.start()  # what changes in the steps meanwhile counts as well

    def _on_fold(self, fold: FoldButton, wanted: bool) -> None:
        """Scroll to what is unfolded, once it has its place."""
        if wanted:
            QTimer.singleShot(0, partial(self._reveal, fold))

    def _reveal(self, fold: FoldButton) -> None:
        self._height()  # puts the steps where they are now
        if fold.last is not None:
            self.ensureWidgetVisible(fold.last, 0, _MARGIN)
        self.ensureWidgetVisible(fold, 0, _MARGIN)  # where both do not fit

    def _fit(self) -> None:
        opened = self._opened
        if opened is None or not self.isVisible():
            return
        place = self._sections.index(opened)
        others = [section for section in self._sections if section is not opened]
        others.sort(key=lambda other: -abs(self._sections.index(other) - place))
        for other in others:
            if self._height() <= self.viewport().height():
                break
            other.fold_away()
        self._height()  # puts the steps where they are now
        self.verticalScrollBar().setValue(opened.y())

    def _height(self) -> int:
        """Return how high the steps are at the width that they have."""
        layout = self.widget().layout()
        for inner in (*(section.layout() for section in self._sections), layout):
            inner.invalidate()  # Qt would do so with its next event
            inner.activate()
        if not layout.hasHeightForWidth():
            return int(layout.totalSizeHint().height())
        return int(layout.totalHeightForWidth(self.viewport().width()))
