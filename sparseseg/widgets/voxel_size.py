"""The voxel size as three numbers and a unit that can be typed."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from sparseseg.data.slices import AXES
from sparseseg.data.units import PIXEL, seven_digits
from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.data.units import Spacing

_UNITS = {PIXEL: "px", "nm": "nm", "um": "\N{MICRO SIGN}m", "mm": "mm", "cm": "cm"}
_UNITS |= {"m": "m"}
_SMALLEST, _LARGEST, _DECIMALS = 1e-9, 1e6, 10


class VoxelSizeField(QWidget):
    """Show the voxel edges z, y, x with their unit; tell what the user types."""

    changed = Signal(object, str)
    """The new edges (z, y, x) and the unit."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = [_Edge(axis) for axis in AXES]
        self.unit = QComboBox()
        self.unit.setToolTip(
            say("The unit of the voxel size; px where it is not known")
        )
        for unit, symbol in _UNITS.items():
            self.unit.addItem(symbol, unit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for edge in self.edges:
            edge.valueChanged.connect(self._tell)
            row.addWidget(edge, 1)
        self.unit.currentIndexChanged.connect(self._tell)
        row.addWidget(self.unit)

    def show_size(self, spacing: "Spacing", unit: str) -> None:
        """Show a voxel size without telling of it."""
        for edge, value in zip(self.edges, spacing, strict=True):
            with signals_blocked(edge):
                edge.setValue(value)
        with signals_blocked(self.unit):
            self.unit.setCurrentIndex(self.unit.findData(unit))

    def _tell(self) -> None:
        z, y, x = (seven_digits(edge.value()) for edge in self.edges)
        self.changed.emit((z, y, x), self.unit.currentData())


class _Edge(QDoubleSpinBox):
    """One edge, without buttons and without the zeros at its end."""

    def __init__(self, axis: str) -> None:
        super().__init__()
        self.setProperty("role", "edge")
        self.setToolTip(say("Length of one voxel along {axis}", axis=axis))
        self.setDecimals(_DECIMALS)
        self.setRange(_SMALLEST, _LARGEST)
        self.setKeyboardTracking(False)
        self.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def textFromValue(self, value: float) -> str:
        """Return as many digits as matter, with the decimal point that Qt's locale has."""
        return f"{seven_digits(value):.10g}".replace(".", self.locale().decimalPoint())
