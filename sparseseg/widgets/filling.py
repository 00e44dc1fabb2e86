"""What is still unlabelled gets the labels of something else, part by part."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND
from sparseseg.data.proposals import of_prediction
from sparseseg.errors import UserError
from sparseseg.project.entries import STROKES
from sparseseg.widgets.edits import Labelled, take

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.project.entries import Tool
    from sparseseg.widgets.adoption import Adoption
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.painting import Painter
    from sparseseg.widgets.writing import Writing

Ended = Callable[[int], object]
"""Is told how many voxels were labelled."""


class Filling:
    """Label the unlabelled voxels of the annotation that is shown, as one step to undo.

    A slice of usual size is written at once, what is larger while the window goes on.
    Each method raises `UserError` while other labels are being written.
    """

    accepted = Signal(object)
    """The box in which something proposed is accepted; None for the whole volume."""

    def __init__(
        self,
        link: "LayerLink",
        painter: "Painter",
        writing: "Writing",
        adoption: "Adoption",
    ) -> None:
        self._link = link
        self._painter = painter
        self._writing = writing
        self._adoption = adoption

    def background(self, ended: Ended) -> None:
        """Make the rest of the visible slice background."""
        box = self._visible()
        self.start(_background, within=box, tool="fill", ended=ended)

    def predicted(self, ended: Ended) -> None:
        """Label the rest of the visible slice as predicted.

        What is predicted as 0 is background there. Raises `UserError` when no class is
        predicted on the slice, which is how a slice looks before its preview.
        """
        box, arrays = self._visible(), self._link.arrays
        assert arrays is not None, "the annotation's layer is made on the arrays"
        plane = of_prediction(arrays.prediction[box.slices])
        if not plane.any():
            raise UserError(
                "Nothing is predicted on slice {view} yet.", view=self._painter.view
            )
        self.start(part_of(plane, box), within=box, tool="prediction", ended=ended)

    def start(
        self, labelled: Labelled, *, within: Box | None, tool: "Tool", ended: Ended
    ) -> None:
        """Begin to label a box, or the whole volume, as something says."""
        self._adoption.check_free()
        layer = self._link.annotate()
        change = partial(take, layer, labelled)
        if tool not in STROKES:
            self.accepted.emit(within)
        self._writing.start(layer, change, within=within, tool=tool, ended=ended)

    def _visible(self) -> Box:
        """Return the box of the visible slice; raises `UserError` where there is none."""
        layer, view = self._painter.annotation(), self._painter.visible()
        return Box.plane(layer.data.shape, view.axis, view.index)


def part_of(labels: "NDArray[np.uint8]", box: Box) -> Labelled:
    """Return the labels of a box, part by part."""

    def labelled(part: Box) -> "NDArray[np.uint8]":
        return labels[part.relative_to(box).slices]

    return labelled


def _background(box: Box) -> "NDArray[np.uint8]":
    return np.full(box.shape, BACKGROUND, np.uint8)
