"""The rules that most predictions want, as boxes to tick."""

import re
from collections.abc import Sequence

from qtpy.QtWidgets import QCheckBox, QGridLayout, QSpinBox, QWidget

from sparseseg.language import say

_PIECES = re.compile(r"drop below (\d+) voxels")
_FEWEST, _USUAL, _MOST = 2, 50, 1_000_000


class CommonRules(QWidget):
    """Boxes for specks, for the largest piece and for holes, each as a line of words."""

    def __init__(self) -> None:
        super().__init__()
        self.specks = QCheckBox(say("Smallest piece (voxels)"))
        self.specks.setToolTip(say("Remove connected pieces with fewer voxels"))
        self.size = QSpinBox()
        self.size.setRange(_FEWEST, _MOST)
        self.size.setValue(_USUAL)
        self.largest = QCheckBox(say("Keep the largest piece of a class"))
        self.largest.setToolTip(
            say("For each class; use it for organs that exist once")
        )
        self.holes = QCheckBox(say("Fill holes of a class"))
        self.holes.setToolTip(say("Fill what a class encloses on all sides"))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.specks, 0, 0)
        grid.addWidget(self.size, 0, 1)
        grid.addWidget(self.largest, 1, 0, 1, 2)
        grid.addWidget(self.holes, 2, 0, 1, 2)

    def lines(self, classes: Sequence[int]) -> tuple[str, ...]:
        """Return the ticked rules in words, for the classes of these numbers."""
        lines = []
        if self.specks.isChecked():
            lines.append(f"drop below {self.size.value()} voxels")
        if self.largest.isChecked():
            lines += [f"keep 1 largest of {number}" for number in classes]
        if self.holes.isChecked():
            lines += [f"fill holes of {number}" for number in classes]
        return tuple(lines)

    def take(self, lines: Sequence[str], classes: Sequence[int]) -> tuple[str, ...]:
        """Tick what lines say, and return those that have no box.

        The order of rules matters: where boxes would change it, none is ticked.
        """
        size = next((int(m[1]) for m in map(_PIECES.fullmatch, lines) if m), None)
        self.specks.setChecked(size is not None)
        self.size.setValue(_USUAL if size is None else size)
        for box, rule in (
            (self.largest, "keep 1 largest of"),
            (self.holes, "fill holes of"),
        ):
            box.setChecked(all(f"{rule} {number}" in lines for number in classes))
        ticked = self.lines(classes)
        if ticked == tuple(lines[: len(ticked)]):
            return tuple(lines[len(ticked) :])
        for box in (self.specks, self.largest, self.holes):
            box.setChecked(False)
        return tuple(lines)
