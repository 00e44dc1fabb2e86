"""Loss and held-out IoU over time, drawn while training runs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from sparseseg.language import say
from sparseseg.widgets.plots import colour_axes, still_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparseseg.session.events import ScoreReport, StepReport

_REDRAW_MS = 250
_HEIGHT = 250
_SYMBOLS = {"loss": None, "shown": "d", "network": "o", "interpolation": "s"}
_ON_DARK = {
    "loss": "#e69f00",
    "shown": "#5fd7a8",
    "network": "#56b4e9",
    "interpolation": "#cc79a7",
}
_ON_LIGHT = {
    "loss": "#b26a00",
    "shown": "#00755a",
    "network": "#0072b2",
    "interpolation": "#a04a7f",
}
_SCORES = ("shown", "network", "interpolation")
_NAMES = {
    "shown": say("shown"),
    "network": say("network"),
    "interpolation": say("interpolation"),
}


@dataclass(slots=True)
class _Series:
    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def append(self, seconds: float, value: float) -> None:
        self.seconds.append(seconds)
        self.values.append(value)


class TrainingCurves(QWidget):
    """Two plots over the same seconds: the loss, and IoU of the answers.

    One curve is of the answer that the viewer shows, whichever that is at the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = pg.GraphicsLayoutWidget()
        self._view.ci.layout.setContentsMargins(2, 2, 6, 2)
        self._view.ci.layout.setVerticalSpacing(0)
        self.loss = self._plot(0)
        self.iou = self._plot(1)
        self.loss.getAxis("bottom").setStyle(showValues=False)
        self.iou.setYRange(0, 1, padding=0.05)
        self.iou.getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        self.iou.setXLink(self.loss)
        self._curves = {
            "loss": self.loss.plot(),
            **{name: self.iou.plot() for name in _SCORES},
        }
        self._series = {name: _Series() for name in self._curves}
        self._timer = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._timer.timeout.connect(self._draw)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._view)
        self.setFixedHeight(_HEIGHT)

    def add_step(self, report: "StepReport") -> None:
        """Take one more loss."""
        self._add("loss", report.seconds, report.loss)

    def add_score(self, report: "ScoreReport") -> None:
        """Take one more held-out score."""
        if report.mean_iou is None:
            return
        if report.method in _SCORES:
            self._add(report.method, report.seconds, report.mean_iou)
        if report.method == report.shown:
            self._add("shown", report.seconds, report.mean_iou)

    @property
    def history(self) -> dict[str, list[tuple[float, float]]]:
        """What was added so far, by name: seconds and value."""
        return {
            name: list(zip(series.seconds, series.values, strict=True))
            for name, series in self._series.items()
        }

    def restore(self, history: "Mapping[str, Sequence[tuple[float, float]]]") -> None:
        """Show what `history` gave, in the place of what is shown."""
        self.clear()
        for name in self._series:
            for seconds, value in history.get(name, ()):
                self._add(name, seconds, value)

    def clear(self) -> None:
        """Start over."""
        self._series = {name: _Series() for name in self._curves}
        self._draw()

    def points(self, name: str) -> list[tuple[float, float]]:
        """Return what is drawn of "loss", "shown", "network" or "interpolation"."""
        seconds, values = self._curves[name].getOriginalDataset()
        return [] if seconds is None else list(zip(seconds, values, strict=True))

    def set_theme(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        theme = get_theme(theme_id)
        text = theme.text.as_hex(format="long")
        colours = _ON_DARK if theme.type == "dark" else _ON_LIGHT
        self._view.setBackground(theme.foreground.as_hex(format="long"))
        for name, curve in self._curves.items():
            curve.setPen(pg.mkPen(colours[name], width=2))
            curve.setSymbol(_SYMBOLS[name])
            curve.setSymbolSize(5)
            curve.setSymbolBrush(colours[name])
            curve.setSymbolPen(None)
        answers = ", ".join(_title(_NAMES[name], colours[name]) for name in _SCORES)
        self.loss.setTitle(_title(say("loss"), colours["loss"]), color=text, size="8pt")
        self.iou.setTitle(
            say("held-out IoU: {answers}", answers=answers), color=text, size="8pt"
        )
        self.iou.setLabel(
            "bottom", say("seconds of training"), color=text, **{"font-size": "8pt"}
        )
        for plot in (self.loss, self.iou):
            colour_axes(plot, text)

    def _plot(self, row: int) -> pg.PlotItem:
        plot = still_plot(self._view, row=row)
        plot.setDownsampling(auto=True, mode="peak")
        plot.setClipToView(True)
        return plot

    def _add(self, name: str, seconds: float, value: float) -> None:
        self._series[name].append(seconds, value)
        if not self._timer.isActive():
            self._timer.start()

    def _draw(self) -> None:
        for name, series in self._series.items():
            self._curves[name].setData(series.seconds, series.values)
        seconds = [s for series in self._series.values() for s in series.seconds[-1:]]
        # Both start at 0: a loss that hardly moves should look like one.
        self.loss.setXRange(0, max(seconds, default=1), padding=0.02)
        self.loss.setYRange(
            0, max(self._series["loss"].values, default=1), padding=0.05
        )


def _title(name: str, colour: str) -> str:
    return f'<span style="color: {colour}">{name}</span>'
