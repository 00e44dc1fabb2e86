"""Step 2, folded: let something propose labels, and accept them part by part."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from sparseseg.classes import UNLABELLED
from sparseseg.data.proposals import between_slices, grown, of_prediction, threshold
from sparseseg.errors import UserError
from sparseseg.widgets.background import Background
from sparseseg.widgets.buttons import action_button
from sparseseg.widgets.edits import checked_labels
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.picking import RegionPicker
from sparseseg.widgets.proposals import Proposals, Proposed
from sparseseg.widgets.rows import row_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QCloseEvent

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea

_LARGEST = 1e9


class ProposalPanel(QWidget):
    """Choose where a proposal comes from; accept its slice, a class or regions of it.

    Proposals are made in a thread, as they look at the whole volume.
    """

    def __init__(self, desk: "Desk", messages: "MessageArea") -> None:
        super().__init__()
        self._desk = desk
        self._messages = messages
        self._worker = Background("proposal")
        self.proposals = Proposals(desk)
        self.fold = FoldButton("Proposals", _FOLD)
        self.source = QComboBox()
        self.source.addItems(list(self._sources()))
        self.source.setToolTip(_SOURCE)
        self.source.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.low, self.high = _number(_LOW), _number(_HIGH)
        self.spread = _number(_SPREAD)
        self.spread.setValue(2.0)
        self.make = self._button("Propose", _MAKE, self._propose)
        self.slice = self._button("Accept slice", _SLICE, self._accept_slice)
        self.label = self._button("Accept class", _CLASS, self._accept_class)
        self.discard = self._button("Discard", _DISCARD, self._discard)
        self.pick = QPushButton("Pick regions")
        self.pick.setCheckable(True)
        self.pick.setToolTip(_PICK)
        self.picker = RegionPicker(desk, self.proposals, messages)
        self._build()
        self.source.currentTextChanged.connect(self._show_values)
        self.pick.toggled.connect(self._turn_picking)
        self._worker.done.connect(self._take)
        self._worker.failed.connect(messages.error)
        desk.link.opened.connect(self._show_limits)
        self._show_values()

    def closeEvent(self, event: "QCloseEvent") -> None:
        """End the thread with its panel."""
        self._worker.close()
        super().closeEvent(event)

    def _button(self, text: str, tip: str, action: Callable[[], object]) -> QPushButton:
        return action_button(text, tip, action, messages=self._messages)

    def _build(self) -> None:
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(row_of(self.source, self.make))
        inner.addLayout(row_of(self.low, self.high))
        inner.addWidget(self.spread)
        inner.addLayout(row_of(self.slice, self.label))
        inner.addLayout(row_of(self.pick, self.discard))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        layout.addWidget(body)
        self.fold.fold(body)

    def _sources(self) -> "dict[str, Callable[[], Callable[[], Proposed]]]":
        """Return what prepares each kind of work in Qt's thread, for another one."""
        return {
            "Prediction": self._from_prediction,
            "Between slices": self._from_slices,
            "Threshold": self._from_threshold,
            "Grow from class": self._from_growing,
            "Selected layer": self._from_layer,
        }

    def _propose(self) -> None:
        self._desk.link.open()
        self._worker.start(self._sources()[self.source.currentText()]())

    def _take(self, proposed: Proposed) -> None:
        with self._messages.catching():
            self.pick.setChecked(False)
            self.proposals.show(proposed)

    def _from_prediction(self) -> Callable[[], Proposed]:
        prediction = self._arrays()[1]
        return lambda: Proposed(of_prediction(prediction), "prediction")

    def _from_slices(self) -> Callable[[], Proposed]:
        annotation, axis = self._arrays()[0], self._desk.painter.visible().axis
        return lambda: Proposed(between_slices(annotation, axis), "interpolation")

    def _from_threshold(self) -> Callable[[], Proposed]:
        image, number = self._grey(), self._number()
        low, high = self.low.value(), self.high.value()
        if low > high:
            raise UserError(f"{low:g} is above {high:g}: give the lower value first.")
        return lambda: Proposed(threshold(image, low, high, number), "threshold")

    def _from_growing(self) -> Callable[[], Proposed]:
        image, number, spread = self._grey(), self._number(), self.spread.value()
        annotation = self._arrays()[0]
        return lambda: Proposed(grown(image, annotation, number, spread), "growing")

    def _from_layer(self) -> Callable[[], Proposed]:
        layer = self._desk.viewer.layers.selection.active
        if not isinstance(layer, Labels) or layer is self._desk.link.annotation:
            raise UserError(
                "Select the Labels layer to propose in the layer list first."
            )
        shape = self._arrays()[0].shape
        return lambda: Proposed(checked_labels(layer, shape), "layer")

    def _arrays(self) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
        arrays = self._desk.link.arrays
        assert arrays is not None, "the image was opened before"
        return arrays.annotation, arrays.prediction

    def _grey(self) -> "NDArray[np.generic]":
        volume = self._desk.link.volume
        assert volume is not None, "the image was opened before"
        return np.asarray(volume.array[0])

    def _number(self) -> int:
        number = self._desk.painter.label
        if number in (None, UNLABELLED):
            raise UserError("Choose the class to propose in the list of classes first.")
        return number

    def _accept_slice(self) -> None:
        self._confirm(self.proposals.accept_slice())

    def _accept_class(self) -> None:
        self._confirm(self.proposals.accept_class(self._number()))

    def _discard(self) -> None:
        self.pick.setChecked(False)
        self.proposals.discard()

    def _confirm(self, taken: int) -> None:
        self._desk.ledger.look()
        self._messages.confirm(
            f"{taken:,} voxels were labelled as proposed."
            if taken
            else "Everything that is proposed there has a label already."
        )

    def _turn_picking(self, is_on: bool) -> None:
        if not is_on:
            self.picker.stop()
            return
        with self._messages.catching():
            self.picker.start()
        self.pick.setChecked(self.picker.is_on)

    def _show_values(self) -> None:
        source = self.source.currentText()
        self.low.setVisible(source == "Threshold")
        self.high.setVisible(source == "Threshold")
        self.spread.setVisible(source == "Grow from class")

    def _show_limits(self, arrays: object) -> None:
        image = self._desk.link.image
        if arrays is not None and image is not None:
            low, high = map(float, image.contrast_limits)
            self.low.setValue((low + high) / 2)
            self.high.setValue(high)


def _number(tip: str) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(-_LARGEST, _LARGEST)
    field.setDecimals(2)
    field.setToolTip(tip)
    return field


_FOLD = "Labels that something proposes, for you to accept or to correct"
_SOURCE = (
    "What proposes: the prediction of the model; the outlines between complete slices "
    "across the visible axis; all grey values in a range; what touches the class that you "
    "paint with and looks like it; or the Labels layer that is selected in the layer list"
)
_MAKE = "Show a proposal as outlines, in place of the one before"
_SLICE = "Label what is still unlabelled on the visible slice as proposed"
_CLASS = (
    "Label what is unlabelled and proposed as the brush's class, in the whole volume"
)
_PICK = "Each click on a proposed region of the visible slice labels that region"
_DISCARD = "Take the proposal away; what you accepted stays"
_LOW, _HIGH = "The lowest grey value to propose", "The highest grey value to propose"
_SPREAD = "How many standard deviations a grey value may differ from those of the class"
