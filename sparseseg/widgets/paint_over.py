"""The one switch for what a stroke may replace: everything, or some values only."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QMenu, QPushButton, QSizePolicy, QWidgetAction

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.language import say
from sparseseg.project.guard import ONLY_UNLABELLED

if TYPE_CHECKING:
    from sparseseg.classes import ClassTable

_EVERYTHING, _UNLABELLED = say("everything"), say("only unlabelled")


class PaintOver(QPushButton):
    """A button that says the choice; its menu has one box for each value."""

    chosen = Signal(object)
    """The values that a stroke may replace; None stands for all."""

    def __init__(self) -> None:
        super().__init__()
        self.values: frozenset[int] | None = None
        self.boxes: dict[int, QCheckBox] = {}
        self._names: dict[int, str] = {}
        self._choices = QMenu(self)
        self.setMenu(self._choices)
        self.setToolTip(say("What a stroke may replace; other voxels stay as they are"))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_classes(self, table: "ClassTable") -> None:
        """Offer these classes; one that is gone may not be replaced any more."""
        named = {c.number: c.name for c in table.classes}
        self._names = {
            UNLABELLED: say("unlabelled"),
            **named,
            BACKGROUND: say("background"),
        }
        self._fill()
        if self.values is not None:
            self.choose(self.values)
        else:
            self._show()

    def choose(self, values: frozenset[int] | None) -> None:
        """Let a stroke replace these values; none of them stands for unlabelled."""
        if values is not None:
            values = values & set(self._names) or ONLY_UNLABELLED
        has_changed, self.values = values != self.values, values
        self._show()
        if has_changed:
            self.chosen.emit(values)

    def _fill(self) -> None:
        menu = self._choices
        menu.clear()
        menu.addAction(_EVERYTHING, partial(self.choose, None))
        menu.addAction(_UNLABELLED, partial(self.choose, ONLY_UNLABELLED))
        menu.addSection(say("only what is ticked"))
        self.boxes = {}
        for number, name in self._names.items():
            box = self.boxes[number] = QCheckBox(name)
            box.clicked.connect(self._tick)
            action = QWidgetAction(menu)
            action.setDefaultWidget(box)
            menu.addAction(action)

    def _tick(self) -> None:
        self.choose(frozenset(n for n, box in self.boxes.items() if box.isChecked()))

    def _show(self) -> None:
        for number, box in self.boxes.items():
            box.setChecked(self.values is None or number in self.values)
        self.setText(self._words())

    def _words(self) -> str:
        if self.values is None:
            return _EVERYTHING
        if self.values == ONLY_UNLABELLED:
            return _UNLABELLED
        return say(
            "only {values}",
            values=", ".join(self._names[n] for n in sorted(self.values)),
        )
