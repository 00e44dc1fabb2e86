"""What may propose labels: each source reads the window, and leaves the work to a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from sparseseg.classes import UNLABELLED
from sparseseg.data.files import read_annotation
from sparseseg.data.proposals import between_slices, grown, of_prediction, threshold
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.edits import check_shape, checked_labels
from sparseseg.widgets.label_files import classes_of
from sparseseg.widgets.noting import noting
from sparseseg.widgets.proposals import Proposed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume
    from sparseseg.widgets.desk import Desk

Work = Callable[[], Proposed]
"""Makes a proposal, in a thread; raises `UserError` for an empty one."""
PREDICTION, SLICES, THRESHOLD = (
    say("Prediction"),
    say("Between slices"),
    say("Threshold"),
)
GROWING, LAYER, FILE = say("Grow from class"), say("Selected layer"), say("Label file")
SOURCES = (PREDICTION, SLICES, THRESHOLD, GROWING, LAYER, FILE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user gives a source; each takes what it needs."""

    low: float
    high: float
    spread: float
    file: Path | None


class ProposalSources:
    """Prepare the work of a source, in Qt's thread, on the image that is open."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    def work(self, source: str, asked: Asked) -> Work:
        """Return the work of a source; raises `UserError` where it lacks something."""
        return {
            PREDICTION: self._from_prediction,
            SLICES: self._from_slices,
            THRESHOLD: self._from_threshold,
            GROWING: self._from_growing,
            LAYER: self._from_layer,
            FILE: self._from_file,
        }[source](asked)

    def number(self) -> int:
        """Return the class of the brush; raises `UserError` where that is none."""
        number = self._desk.painter.label
        if number in (None, UNLABELLED):
            raise UserError("Choose the class to propose in the list of classes first.")
        return number

    def _from_prediction(self, _: Asked) -> Work:
        prediction = self._arrays()[1]
        return lambda: Proposed.of(of_prediction(prediction), "prediction")

    def _from_slices(self, _: Asked) -> Work:
        annotation, axis = self._arrays()[0], self._desk.painter.visible().axis
        return lambda: Proposed.of(between_slices(annotation, axis), "interpolation")

    def _from_threshold(self, asked: Asked) -> Work:
        image, number = self._volume().array, self.number()
        low, high = asked.low, asked.high
        if low > high:
            raise UserError(
                "{low:g} is above {high:g}: give the lower value first.",
                low=low,
                high=high,
            )
        return lambda: Proposed.of(threshold(image, low, high, number), "threshold")

    def _from_growing(self, asked: Asked) -> Work:
        image, number, spread = self._grey(), self.number(), asked.spread
        annotation = self._arrays()[0]
        return lambda: Proposed.of(grown(image, annotation, number, spread), "growing")

    def _from_layer(self, _: Asked) -> Work:
        layer = self._desk.viewer.layers.selection.active
        if not isinstance(layer, Labels) or layer is self._desk.link.annotation:
            raise UserError(
                "Select the Labels layer to propose in the layer list first."
            )
        shape = self._arrays()[0].shape
        check_shape(layer, shape)
        return lambda: Proposed.of(
            checked_labels(layer, shape), "layer", table=classes_of(layer)
        )

    def _from_file(self, asked: Asked) -> Work:
        if asked.file is None:
            raise UserError("Choose the file of labels to propose first.")
        return partial(_read, asked.file, self._volume())

    def _arrays(self) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
        arrays = self._desk.link.arrays
        assert arrays is not None, "the image was opened before"
        return arrays.annotation, arrays.prediction

    def _volume(self) -> "Volume":
        volume = self._desk.link.volume
        assert volume is not None, "the image was opened before"
        return volume

    def _grey(self) -> "NDArray[np.generic]":
        array = self._volume().array
        if not isinstance(array, np.ndarray):
            raise UserError(
                "This image stays on disk, and a class grows only in images in memory: "
                "propose by a threshold, or by the prediction."
            )
        return array[0]


def _read(path: Path, image: "Volume") -> Proposed:
    """Read labels into the order of an image's voxels."""
    with noting() as notes:
        labels = read_annotation(path, like=image)
    table = labels.table if labels.has_names else None
    return Proposed.of(labels.array, "file", table=table, notes=tuple(notes))
