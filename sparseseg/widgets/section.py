"""One numbered step of the dock, which folds away under its heading."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.widgets.text import text_label

_OPEN, _FOLDED = (
    "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
)


class Section(QFrame):
    """Show a number, a title, a short summary and, when open, the body."""

    opened = Signal()
    """The user unfolded the step."""

    def __init__(self, number: int, title: str, *bodies: QWidget) -> None:
        super().__init__()
        self.setProperty("role", "section")
        # Panels hide themselves as well: folding must not show them again.
        self._body = QWidget()
        inner = QVBoxLayout(self._body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for body in bodies:
            inner.addWidget(body)
        self._is_folded = self._was_used = False
        self._heading = QToolButton(text=title)
        self.fold = QToolButton(text=_OPEN)
        self.summary = text_label(role="summary", wrap=False)
        self._build_buttons()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 8, 7)
        layout.setSpacing(4)
        layout.addLayout(self._heading_row(number))
        layout.addWidget(self._body)

    @property
    def is_folded(self) -> bool:
        """Whether only the heading is to be seen."""
        return self._is_folded

    def fold_up(self) -> None:
        """Fold a step that is done, unless the user folds and unfolds it by hand."""
        if not self._was_used:
            self._set_folded(wanted=True)

    def unfold(self) -> None:
        """Show a step that is to be done again, unless the user folds it by hand."""
        if not self._was_used:
            self._set_folded(wanted=False)

    def fold_away(self) -> None:
        """Fold a step to make room for another one that the user wants."""
        self._set_folded(wanted=True)

    def summarise(self, text: str) -> None:
        """Show a few words at the right of the heading."""
        self.summary.setText(text)

    def _build_buttons(self) -> None:
        for button in (self._heading, self.fold):
            button.setProperty("role", "heading")
            button.setToolTip(say("Fold or unfold this step"))
            button.clicked.connect(self._toggle)

    def _heading_row(self, number: int) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        badge = text_label(str(number), "number", wrap=False)
        badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row.addWidget(badge)
        row.addWidget(self._heading)
        row.addStretch()
        row.addWidget(self.summary)
        row.addWidget(self.fold)
        return row

    def _toggle(self) -> None:
        self._was_used = True
        self._set_folded(wanted=not self._is_folded)
        if not self._is_folded:
            self.opened.emit()

    def _set_folded(self, *, wanted: bool) -> None:
        self._is_folded = wanted
        self._body.setHidden(wanted)
        self.fold.setText(_FOLDED if wanted else _OPEN)
