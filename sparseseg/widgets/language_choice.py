"""The choice of a language, which is spoken from the next start on."""

import os

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget

from sparseseg.language import LANGUAGES, VARIABLE, choose, kept, say
from sparseseg.widgets.text import text_label


class LanguageChoice(QWidget):
    """Offer the system's language and each that there is; say when it will be spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.choice = QComboBox()
        self.choice.addItem(say("as the system"), "")
        for language, name in LANGUAGES.items():
            self.choice.addItem(name, language)
        self.choice.setCurrentIndex(self.choice.findData(kept()))
        self.choice.activated.connect(self._keep)
        self.note = text_label(role="hint", wrap=False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(text_label(say("Language"), wrap=False))
        row.addWidget(self.choice)
        row.addWidget(self.note, 1)
        if asked := os.environ.get(VARIABLE):
            self.choice.setDisabled(True)
            self.note.setText(
                say("{variable} is {asked!r}", variable=VARIABLE, asked=asked)
            )

    def _keep(self, place: int) -> None:
        try:
            choose(self.choice.itemData(place))
        except OSError as error:
            self.note.setText(
                say("the choice cannot be kept: {error}", error=error.strerror)
            )
        else:
            self.note.setText(say("from the next start of napari"))
