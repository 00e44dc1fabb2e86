"""The depth of a UNet++: a slider from fast to accurate, after training."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QSlider, QWidget
from superqt.utils import signals_blocked

from sparseseg.language import say
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from sparseseg.session import Session
    from sparseseg.session.events import Depths
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.relay import Relay


class DepthSlider(QWidget):
    """L1 to the whole network; hidden where the model has one depth."""

    def __init__(
        self, session: "Session", relay: "Relay", messages: "MessageArea"
    ) -> None:
        super().__init__()
        self._session = session
        self._messages = messages
        self._available: tuple[int, ...] = ()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setPageStep(1)
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.slider.setToolTip(_TIP)
        self.words = text_label(role="hint", wrap=False)
        self.table = text_label(role="hint")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(text_label(say("Depth"), wrap=False), 0, 0)
        layout.addWidget(self.slider, 0, 1)
        layout.addWidget(self.words, 0, 2)
        layout.addWidget(self.table, 1, 0, 1, 3)
        layout.setColumnStretch(1, 1)
        self.slider.valueChanged.connect(self._choose)
        relay.depths.connect(self._show)
        self.hide()

    def _choose(self, place: int) -> None:
        whole = place == len(self._available)
        with self._messages.catching():
            self._session.prune(None if whole else self._available[place])

    def _show(self, depths: "Depths") -> None:
        self._available = depths.available
        whole = len(depths.available)
        place = (
            whole if depths.chosen is None else depths.available.index(depths.chosen)
        )
        with signals_blocked(self.slider):
            self.slider.setRange(0, whole)
            self.slider.setValue(place)
        self.words.setText(
            say("whole") if depths.chosen is None else f"L{depths.chosen}"
        )
        self.table.setText("\n".join(_lines(depths)))
        self.setVisible(whole > 1)


def _lines(depths: "Depths") -> list[str]:
    """Say of each depth how large it is, and how well it did."""
    return [
        _line(depth, _size(parameters), dice)
        for depth, parameters, dice in zip(
            depths.available, depths.parameters, depths.held_out, strict=False
        )
    ]


def _line(depth: int, size: str, dice: float | None) -> str:
    if dice is None:
        return say("L{depth}: {size} weights", depth=depth, size=size)
    return say(
        "L{depth}: {size} weights, held-out Dice {dice:.2f}",
        depth=depth,
        size=size,
        dice=dice,
    )


def _size(parameters: int) -> str:
    if parameters < _MILLION:
        return say("{parameters:.0f} thousand", parameters=parameters / 1000)
    return say("{parameters:.1f} million", parameters=parameters / _MILLION)


_MILLION = 1_000_000


_TIP = say(
    "Predict, and save, with a part of the network: L1 is small and fast, "
    "the right end is the whole network"
)
