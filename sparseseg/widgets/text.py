"""Labels of plain text, each with the role that the style sheet knows."""

from typing import Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

Role = Literal["plain", "hint", "number", "remark", "summary"]


def text_label(text: str = "", role: Role = "plain", *, wrap: bool = True) -> QLabel:
    """Return a label; one that wraps takes the width it gets and can be copied from."""
    label = QLabel(text)
    label.setProperty("role", role)
    label.setIndent(0)
    if wrap:
        label.setWordWrap(True)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
