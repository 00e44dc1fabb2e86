"""Plots that are only looked at: nothing in them is dragged or clicked."""

import pyqtgraph as pg

_LEFT = 34


def still_plot(
    view: pg.GraphicsLayoutWidget, *, row: int = 0, col: int = 0
) -> pg.PlotItem:
    """Add a plot to a view, with room for numbers at its left."""
    plot = view.addPlot(row=row, col=col)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.getAxis("left").setWidth(_LEFT)
    return plot


def colour_axes(plot: pg.PlotItem, text: str) -> None:
    """Draw the axes of a plot in the colour of the text."""
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(text, width=1))
        axis.setTextPen(text)
