"""Buttons of step 1 that make an image usable, shown where one is needed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from sparseseg.language import say
from sparseseg.widgets.channels import CHANNEL, TIME, name_first_axis, needs_naming
from sparseseg.widgets.geometry import (
    is_straight,
    straighten,
    turn_back,
    was_straightened,
)

if TYPE_CHECKING:
    from napari.layers import Image


class Remedies(QWidget):
    """Say what the first axis holds, or show a rotated layer in its voxel axes."""

    def __init__(self) -> None:
        super().__init__()
        self._image: Image | None = None
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.channels = self._button(
            say("It holds channels"), _CHANNELS, self._is_channels
        )
        self.time = self._button(say("It holds time points"), _TIME, self._is_time)
        self.straighten = self._button(
            say("Show in voxel axes"), _STRAIGHTEN, self._straighten
        )
        self.turn_back = self._button(
            say("Show rotated as before"), _TURN_BACK, self._turn_back
        )

    def show_for(self, image: "Image | None", *, is_open: bool) -> None:
        """Offer what this image needs; one that is annotated keeps its place."""
        self._image = image
        unnamed = image is not None and needs_naming(image)
        self.channels.setVisible(unnamed)
        self.time.setVisible(unnamed)
        self.straighten.setVisible(image is not None and not is_straight(image))
        turned = image is not None and was_straightened(image) and not is_open
        self.turn_back.setVisible(turned)
        buttons = (self.channels, self.time, self.straighten, self.turn_back)
        self.setVisible(any(not button.isHidden() for button in buttons))

    def _button(self, text: str, tip: str, action: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(action)
        self._row.addWidget(button)
        return button

    def _is_channels(self) -> None:
        if self._image is not None:
            name_first_axis(self._image, CHANNEL)

    def _is_time(self) -> None:
        if self._image is not None:
            name_first_axis(self._image, TIME)

    def _straighten(self) -> None:
        if self._image is not None:
            straighten(self._image)

    def _turn_back(self) -> None:
        if self._image is not None:
            turn_back(self._image)


_CHANNELS = say("The network sees all channels at once")
_TIME = say("sparseseg works on one time point: then take one out with Split Stack")
_STRAIGHTEN = say(
    "Show the layer along the axes of its voxels, with its voxel size and without its "
    "rotation; the voxels stay as they are, and a button undoes it"
)
_TURN_BACK = say("Give the layer the rotation back that it had")
