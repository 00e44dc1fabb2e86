"""All keys on one page, which `?` shows, and the choice of the language."""

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QDialog, QLabel, QShortcut, QVBoxLayout

from sparseseg.language import say
from sparseseg.widgets.class_model import keys_of
from sparseseg.widgets.keys import ACTIONS, key_of
from sparseseg.widgets.language_choice import LanguageChoice

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from sparseseg.widgets.class_model import ClassModel

KEY = "?"
_OF_NAPARI = (
    (say("1 or E"), say("Eraser")),
    (say("2 or P"), say("Brush")),
    ("3", say("Polygon")),
    (say("4 or F"), say("Fill")),
    (say("[ and ]"), say("Smaller and larger brush")),
    (say("Space, held"), say("Move the picture")),
    (say("Left and right arrow"), say("Previous and next slice")),
    ("Ctrl+Z, Ctrl+Shift+Z", say("Undo, redo")),
)
_HINTS = (
    say("Change them in napari: File > Preferences > Shortcuts, Labels layer."),
    say("They work while an annotation is selected in the layer list."),
)


class CheatSheet(QDialog):
    """Show the keys as they are now; the page stays open while you paint."""

    def __init__(self, parent: "QWidget", classes: "ClassModel") -> None:
        super().__init__(parent)
        self._classes = classes
        self.setWindowTitle(say("Keys"))
        self.page = QLabel()
        self.page.setTextFormat(Qt.TextFormat.RichText)
        layout = QVBoxLayout(self)
        layout.addWidget(self.page)
        self.language = LanguageChoice()
        layout.addWidget(self.language)
        shortcut = QShortcut(QKeySequence(KEY), parent)
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(self.turn)

    def turn(self) -> None:
        """Show the page, or take it away."""
        if self.isVisible():
            self.hide()
            return
        self.page.setText(self._text())
        self.show()
        self.raise_()

    def _text(self) -> str:
        own = [(key_of(action) or say("no key"), action.words) for action in ACTIONS]
        own.append((KEY, say("This page")))
        table = self._classes.table
        keys = keys_of(table)
        named = {**{c.number: c.name for c in table.classes}, 255: say("background")}
        painted = [
            (keys[number], say("Paint {name}", name=name))
            for number, name in named.items()
            if number in keys
        ]
        left = _table(say("While you annotate"), own)
        right = _table(say("Classes"), painted) + _table(
            say("napari's own"), _OF_NAPARI
        )
        hints = "<br>".join(escape(hint) for hint in _HINTS)
        return (
            f"<table><tr><td>{left}</td><td width=24></td><td>{right}</td></tr></table>"
            f"<p>{hints}</p>"
        )


def _table(
    title: str, rows: "list[tuple[str, str]] | tuple[tuple[str, str], ...]"
) -> str:
    lines = "".join(
        f"<tr><td><b>{escape(key)}</b>&nbsp;&nbsp;</td><td>{escape(words)}</td></tr>"
        for key, words in rows
    )
    return f"<p><b>{title}</b></p><table>{lines}</table>"
