"""Widgets side by side."""

from qtpy.QtWidgets import QHBoxLayout, QWidget


def row_of(*widgets: QWidget) -> QHBoxLayout:
    """Return a layout in which widgets share the width evenly."""
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
