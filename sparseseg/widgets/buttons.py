"""Buttons that act, and tell in the message area what went wrong."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

if TYPE_CHECKING:
    from sparseseg.widgets.messages import MessageArea


def action_button(
    text: str,
    tip: str,
    action: Callable[[], object],
    *,
    messages: "MessageArea",
    role: str = "",
) -> QPushButton:
    """Return a button with a tooltip whose failures become messages."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setProperty("role", role)

    def act() -> None:
        with messages.catching():
            action()
            messages.settle()

    button.clicked.connect(act)
    return button


def show_reason(button: QPushButton, tip: str, reason: str) -> None:
    """Enable a button, or disable it and say why in its tooltip."""
    button.setEnabled(not reason)
    button.setToolTip(reason or tip)
