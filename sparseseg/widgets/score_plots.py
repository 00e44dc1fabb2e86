"""What the score says: how it grows with slices, and whether the model is too sure."""

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from sparseseg.evaluation.reliability import overall
from sparseseg.language import say, template
from sparseseg.widgets.plots import colour_axes, still_plot
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.evaluation.estimate import DiceEstimate

_HEIGHT = 150
_ON_DARK, _ON_LIGHT = "#56b4e9", "#0072b2"
_ALIKE = 0.02  # by so much being sure and being right may differ


class ScorePlots(QWidget):
    """Draw the estimates of all models by their slices, and how reliable the newest is."""

    def __init__(self) -> None:
        super().__init__()
        self.words = text_label(role="hint")
        self._view = pg.GraphicsLayoutWidget()
        self._view.ci.layout.setContentsMargins(2, 2, 6, 2)
        self.learning, self.reliability = (
            still_plot(self._view, col=col) for col in range(2)
        )
        self._points = self.learning.plot(pen=None, symbol="o", symbolSize=6)
        self._bars = pg.ErrorBarItem(beam=0.0)
        self.learning.addItem(self._bars)
        self._expected = self.learning.plot()
        self._bins = self.reliability.plot(symbol="o", symbolSize=6)
        self._diagonal = self.reliability.plot([0, 1], [0, 1])
        self._view.setFixedHeight(_HEIGHT)
        self._view.setToolTip(_TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self._view)
        self.hide()

    def show_estimate(
        self, estimate: "DiceEstimate | None", earlier: "Sequence[DiceEstimate]"
    ) -> None:
        """Show an estimate with those of earlier models; hide where there is nothing."""
        words = "" if estimate is None else score_in_words(estimate)
        self.setVisible(bool(words))
        self.words.setText(words)
        if estimate is None or not words:
            return
        known = [*earlier, estimate]
        self._draw_learning(estimate, [e for e in known if _is_placed(e)])
        assert estimate.evidence is not None
        bins = estimate.evidence.reliability
        self._bins.setData([b.sure for b in bins], [b.right for b in bins])
        least = min((min(b.sure, b.right) for b in bins), default=0.0)
        for axis in (self.reliability.setXRange, self.reliability.setYRange):
            axis(least, 1, padding=0.05)

    def set_theme(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        theme = get_theme(theme_id)
        text = theme.text.as_hex(format="long")
        colour = _ON_DARK if theme.type == "dark" else _ON_LIGHT
        self._view.setBackground(theme.foreground.as_hex(format="long"))
        faint = pg.mkPen(text, width=1, style=Qt.PenStyle.DashLine)
        for dots in (self._points, self._bins):
            dots.setSymbolBrush(colour)
            dots.setSymbolPen(None)
        self._bins.setPen(pg.mkPen(colour, width=1))
        self._bars.setData(pen=pg.mkPen(colour, width=1))
        for line in (self._expected, self._diagonal):
            line.setPen(faint)
        titles = (self.learning, _LEARNING), (self.reliability, _RELIABILITY)
        for plot, (above, below) in titles:
            colour_axes(plot, text)
            plot.setTitle(above, color=text, size="8pt")
            plot.setLabel("bottom", below, color=text, **{"font-size": "8pt"})

    def _draw_learning(
        self, newest: "DiceEstimate", known: "Sequence[DiceEstimate]"
    ) -> None:
        rows = [
            (e.evidence.annotated, e.mean.dice, e.mean.low, e.mean.high)
            for e in known
            if e.evidence is not None and e.mean is not None
        ]
        slices, dice, low, high = (
            [float(row[kind]) for row in rows] for kind in range(4)
        )
        pairs = list(zip(dice, low, high, strict=True))
        self._points.setData(slices, dice)
        self._bars.setData(
            x=np.array(slices),
            y=np.array(dice),
            bottom=np.array([d - one for d, one, _ in pairs]),
            top=np.array([one - d for d, _, one in pairs]),
        )
        self.learning.setYRange(min(low), 1, padding=0.05)
        ahead = range(int(slices[-1]) + 1)
        curve = [newest.with_slices(more) or 0.0 for more in ahead]
        self._expected.setData([slices[-1] + more for more in ahead], curve)


def score_in_words(estimate: "DiceEstimate") -> str:
    """Say what one more slice is worth, and whether the model is too sure."""
    if estimate.mean is None or estimate.evidence is None:
        return ""
    more, lines = estimate.with_slices(1), []
    if more is not None:
        gain = more - estimate.mean.dice
        lines.append(
            say("One more slice is worth a Dice of about {gain:+.3f}.", gain=gain)
        )
    if (found := overall(estimate.evidence.reliability)) is not None:
        values = {"sure": found.sure, "right": found.right}
        beyond = found.sure - found.right
        if beyond > _ALIKE:
            lines.append(say(_TOO_SURE, **values))
        else:
            lines.append(say(_CAREFUL if beyond < -_ALIKE else _AS_SURE, **values))
    return "\n".join(lines)


def _is_placed(estimate: "DiceEstimate") -> bool:
    found = estimate.evidence
    return estimate.mean is not None and found is not None and found.annotated > 0


_LEARNING = say("estimated Dice"), say("annotated slices")
_RELIABILITY = say("how often right"), say("how sure")
_TIP = say(
    "Left: the estimated Dice of your models, with its interval, by the number of annotated "
    "slices; the dashed line is what more slices are expected to bring. Right: how often the "
    "model is right where it is so sure, on slices that it had not seen; on the dashed line it is "
    "exactly as often right as it is sure."
)
_AS_SURE = template(
    "It is about as often right as it is sure ({right:.0%} right, {sure:.0%} sure)."
)
_TOO_SURE = template(
    "It is too sure of itself: {sure:.0%} sure on average, and right in {right:.0%} of the voxels."
)
_CAREFUL = template(
    "It is more often right than it is sure: {sure:.0%} sure on average, and right in "
    "{right:.0%} of the voxels."
)
