"""The form of objects and surfaces, from the declarations that the commands have too."""

from typing import Any, get_args, get_type_hints

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from sparseseg.language import say
from sparseseg.settings.objects import MESH_ENDINGS, MeshSettings, ObjectSettings

_METHODS = {
    "touching": say("Divide touching"),
    "parts": say("Connected parts"),
    "slices": say("Joined slices"),
}
_MOST = 1e6
_NARROWEST = 70
"""Pixels: else the largest number would make the whole column wider."""


class ObjectForm(QWidget):
    """How objects are told apart, and how surfaces are made."""

    def __init__(self) -> None:
        super().__init__()
        self.method = QComboBox()
        for method, words in _METHODS.items():
            self.method.addItem(words, method)
        self.size = _number(0.0, _MOST, 1.0)
        self.size.setSpecialValueText(say("estimated"))
        self.smoothness, self.overlap = _number(0.0, 1.0, 0.05), _number(0.0, 1.0, 0.05)
        self.smallest = _number(0.0, 1e12, 1.0)
        self.smallest.setSpecialValueText(say("estimated"))
        self.method.setMinimumWidth(_NARROWEST)
        self.ending = QComboBox()
        self.ending.addItems(MESH_ENDINGS)
        self.smooth, self.keep = _number(0.0, _MOST, 0.5), _number(0.01, 1.0, 0.1)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(say("Objects"), self.method)
        form.addRow(say("Usual diameter"), self.size)
        form.addRow(say("Smoothness"), self.smoothness)
        form.addRow(say("Overlap"), self.overlap)
        form.addRow(say("Smallest volume"), self.smallest)
        form.addRow(say("Surfaces"), self.ending)
        form.addRow(say("Smooth by"), self.smooth)
        form.addRow(say("Keep triangles"), self.keep)
        for declared in (ObjectSettings, MeshSettings):
            self._begin_with(declared)
        self.method.currentIndexChanged.connect(self._show_needed)
        self._show_needed()

    @property
    def objects(self) -> ObjectSettings:
        """Return how objects are told apart."""
        return ObjectSettings(
            method=self.method.currentData(),
            size=self.size.value(),
            smoothness=self.smoothness.value(),
            overlap=self.overlap.value(),
            smallest=self.smallest.value(),
        )

    @property
    def surfaces(self) -> MeshSettings:
        """Return how surfaces are made."""
        return MeshSettings(smooth=self.smooth.value(), keep=self.keep.value())

    def _begin_with(self, declared: Any) -> None:
        """Show the values and the help of a declaration."""
        hints = get_type_hints(declared, include_extras=True)
        defaults = declared()
        for name, hint in hints.items():
            widget = getattr(self, name)
            widget.setToolTip(get_args(hint)[1]["help"])
            value = getattr(defaults, name)
            if isinstance(widget, QComboBox):
                widget.setCurrentIndex(widget.findData(value))
            else:
                widget.setValue(value)

    def _show_needed(self) -> None:
        method = self.method.currentData()
        self.size.setEnabled(method == "touching")
        self.smoothness.setEnabled(method == "touching")
        self.overlap.setEnabled(method == "slices")


def _number(least: float, most: float, step: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(2)
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setMinimumWidth(_NARROWEST)
    return box
