"""The place at the top of the dock where the user is told things in one sentence."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.text import text_label

_LOG = logging.getLogger(__name__)
_MOST = 3
_CONFIRM_MS = 15_000

Level = Literal["error", "warning", "note"]


class MessageArea(QWidget):
    """Hold the newest messages, each with a button that dismisses it."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[Message] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(6, 6, 6, 0)
        self._layout.setSpacing(4)
        self.hide()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is shown now, newest first."""
        return tuple(card.text for card in self.cards)

    def error(self, text: str) -> None:
        """Tell of something that failed."""
        self._show(Message(text, "error"))

    def warning(self, text: str) -> None:
        """Tell of something that may hurt later."""
        self._show(Message(text, "warning"))

    def note(self, text: str) -> None:
        """Tell of something worth knowing."""
        self._show(Message(text, "note"))

    def confirm(self, text: str) -> None:
        """Tell for a while that what the user asked for is done."""
        note = Message(text, "note")
        self._show(note)
        timer = QTimer(note, singleShot=True, interval=_CONFIRM_MS)
        timer.timeout.connect(note.dismiss.click)
        timer.start()

    def offer(self, text: str, verb: str, action: Callable[[], None]) -> None:
        """Show a note with a button that acts and takes the note away."""
        card = Message(text, "note", verb)
        card.button.clicked.connect(lambda: self._take(card, action))
        self._show(card)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Show what goes wrong inside the block instead of raising it."""
        try:
            yield
        except UserError as error:
            self.error(str(error))
        except Exception:  # noqa: BLE001  # nothing above the window could mend it
            _LOG.exception("an action of the dock failed")
            self.error(say("That failed for an unexpected reason; see the log."))

    def settle(self) -> None:
        """Take away what went wrong before, because something went well since."""
        for card in [card for card in self.cards if card.level == "error"]:
            self._remove(card)

    def withdraw(self, text: str) -> None:
        """Take the message with this text away, if it is shown."""
        for card in [card for card in self.cards if card.text == text]:
            self._remove(card)

    def _show(self, card: "Message") -> None:
        self.withdraw(card.text)
        for old in self.cards[_MOST - 1 :]:
            self._remove(old)
        self.cards.insert(0, card)
        self._layout.insertWidget(0, card)
        card.dismiss.clicked.connect(lambda: self._remove(card))
        self.show()

    def _take(self, card: "Message", action: Callable[[], None]) -> None:
        self._remove(card)
        with self.catching():
            action()

    def _remove(self, card: "Message") -> None:
        if card not in self.cards:
            return
        self.cards.remove(card)
        self._layout.removeWidget(card)
        card.hide()
        card.deleteLater()
        self.setVisible(bool(self.cards))


class Message(QFrame):
    """One sentence, a button that dismisses it, and perhaps one that acts."""

    def __init__(self, text: str, level: Level, verb: str = "") -> None:
        super().__init__()
        self.text = text
        self.level = level
        self.setProperty("level", level)
        self.dismiss = QToolButton(text="\N{MULTIPLICATION SIGN}")
        self.dismiss.setToolTip(say("Dismiss this message"))
        self.button = QPushButton(verb)
        self.button.setVisible(bool(verb))
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 5, 4, 5)
        row.addWidget(text_label(text[:1].upper() + text[1:]), 1)
        for button in (self.button, self.dismiss):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
