"""The card of step 1: the facts of an image, and its voxel size to type."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QLabel, QMenu, QToolButton

from sparseseg.language import say
from sparseseg.widgets.text import text_label
from sparseseg.widgets.voxel_size import VoxelSizeField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from qtpy.QtWidgets import QWidget

    from sparseseg.widgets.image_facts import ImageFacts


class ImageCard(QFrame):
    """Show shape, voxel size, channels and orientation of one image."""

    channels_chosen = Signal(list)
    """The layers that are ticked as channels, in the order of the menu."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.size_field = VoxelSizeField()
        self.add_channels = QToolButton(text=say("Add layers"))
        self.channel_menu = QMenu(self)
        self.values = {name: text_label() for name in _ROWS}
        self._labels: dict[str, QLabel] = {}
        self._possible: Sequence[Image] = ()
        self._form = QFormLayout(self)
        self._build()

    def show_facts(self, facts: "ImageFacts") -> None:
        """Show the facts; what the file does not say has no row."""
        texts = (facts.shape, facts.channels, facts.orientation)
        for name, text in zip(_ROWS, texts, strict=True):
            self.values[name].setText(text)
            self.values[name].setVisible(bool(text))
            self._labels[name].setVisible(bool(text))
        self.values["Orientation"].setToolTip(facts.orientation_in_words)

    def show_channels(
        self, possible: "Sequence[Image]", chosen: "Sequence[Image]"
    ) -> None:
        """Offer layers as further channels; without any there is no button."""
        self.channel_menu.clear()
        self._possible = possible
        for layer in possible:
            action = self.channel_menu.addAction(layer.name)
            action.setCheckable(True)
            action.setChecked(layer in chosen)
            action.toggled.connect(self._tell_channels)
        self.add_channels.setVisible(bool(possible))

    def lock(self, is_locked: bool) -> None:
        """Keep the user from changing what the annotation was begun with."""
        for widget in (self.size_field, self.add_channels):
            widget.setDisabled(is_locked)
        self.size_field.setToolTip(_LOCKED if is_locked else "")

    def _tell_channels(self) -> None:
        actions = self.channel_menu.actions()
        pairs = zip(self._possible, actions, strict=True)
        self.channels_chosen.emit([layer for layer, a in pairs if a.isChecked()])

    def _build(self) -> None:
        self._form.setContentsMargins(8, 6, 8, 6)
        self._form.setHorizontalSpacing(10)
        self._form.setVerticalSpacing(3)
        self.add_channels.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_channels.setMenu(self.channel_menu)
        self.add_channels.setToolTip(_ADD)
        self._add("Shape", self.values["Shape"])
        self._form.addRow(self._hint(say("Voxel size (z, y, x)"), _SIZE))
        self._form.addRow(self.size_field)
        self._add("Channels", self.values["Channels"], self.add_channels)
        self._add("Orientation", self.values["Orientation"])

    def _add(self, name: str, value: QLabel, button: "QWidget | None" = None) -> None:
        value.setToolTip(_ROWS[name])
        self._labels[name] = self._hint(_TITLES[name], _ROWS[name])
        row = QHBoxLayout()
        row.addWidget(value, 1)
        if button is not None:
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        self._form.addRow(self._labels[name], row)

    def _hint(self, text: str, tip: str) -> QLabel:
        label = QLabel(text)
        label.setProperty("role", "hint")
        label.setToolTip(tip)
        return label


_TITLES = {
    "Shape": say("Shape"),
    "Channels": say("Channels"),
    "Orientation": say("Orientation"),
}
_ROWS = {
    "Shape": say("Voxels along z, y and x"),
    "Channels": say("How many colours or stains; the network sees all of them"),
    "Orientation": say("How x, y and z run through the patient, as the file says"),
}
_SIZE = say("Length of one voxel along z, y and x; type what the file does not say")
_ADD = say(
    "Take other image layers, of the same shape and place, as channels of this image"
)
_LOCKED = say("The annotation was begun with this voxel size")
