"""Labels made elsewhere, put into the annotation while the window goes on."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.background import Background
from sparseseg.widgets.edits import check_shape, checked_labels, replace_labels
from sparseseg.widgets.geometry import check_image
from sparseseg.widgets.label_files import classes_of
from sparseseg.widgets.layer_kinds import ANNOTATION, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from numpy.typing import NDArray

    from sparseseg.widgets.class_model import ClassModel
    from sparseseg.widgets.layers import LayerLink
    from sparseseg.widgets.writing import Writing


class Adoption(QObject):
    """Put whole arrays of labels into the annotation of the chosen image.

    They are read and checked in a thread.
    """

    done = Signal(int)
    """How many voxels changed."""
    failed = Signal(str)

    def __init__(
        self, link: "LayerLink", classes: "ClassModel", writing: "Writing"
    ) -> None:
        super().__init__()
        self._link = link
        self._classes = classes
        self._writing = writing
        self._target: Labels | None = None
        self._reading = Background("adoption")
        self._reading.done.connect(self._write)
        self._reading.failed.connect(self._fail)

    @property
    def is_busy(self) -> bool:
        """Whether labels are being read or written."""
        return self._target is not None or self._writing.is_busy

    def adopt(self, source: "Layer | None") -> None:
        """Start to copy a Labels layer, with the class names that it or its file has.

        Raises `UserError` for what is no Labels layer or has another shape; `failed`
        tells of values that no annotation has.
        """
        link = self._link
        if not isinstance(source, Labels) or source is link.annotation:
            raise UserError("Select a Labels layer in the layer list first.")
        if link.image is None:
            raise UserError("Choose the image that these labels belong to first.")
        self.check_free()
        check_image(link.image)
        shape = link.image.data.shape[-3:]
        check_shape(source, shape)
        if source.name == name_of(link.image.name, ANNOTATION):
            source.name = say("{name} (original)", name=source.name)
        source.visible = False
        self.start(lambda: (checked_labels(source, shape), classes_of(source)))

    def start(self, read: "Callable[[], tuple[NDArray[np.uint8], ClassTable]]") -> None:
        """Start to put in the labels that `read` returns, and their class names if any."""
        self.check_free()
        self._target = layer = self._link.annotate()
        layer.mode = "pan_zoom"  # a stroke would be overwritten
        self._reading.start(lambda: _with_numbers(*read()))

    def close(self) -> None:
        """Read no more, and put nothing in any more."""
        self._reading.close()
        self._target = None

    def check_free(self) -> None:
        """Raise `UserError` while labels are being read or written."""
        if self.is_busy:
            raise UserError("Other labels are being copied. Try again in a moment.")

    def _write(self, found: "tuple[NDArray[np.uint8], ClassTable, set[int]]") -> None:
        layer, self._target = self._target, None
        assert layer is not None, "labels are read for a layer"
        labels, table, numbers = found
        others = [seat for seat in self._link.painted if seat.annotation is not layer]
        self._classes.take(table, is_painted=bool(others))
        self._classes.include(numbers)
        change = partial(replace_labels, layer, labels)
        layer.mode = "paint"
        self._writing.start(layer, change, tool="import", ended=self.done.emit)

    def _fail(self, complaint: str) -> None:
        layer, self._target = self._target, None
        if layer is not None:
            layer.mode = "paint"
        self.failed.emit(complaint)


def _with_numbers(
    labels: "NDArray[np.uint8]", table: ClassTable
) -> "tuple[NDArray[np.uint8], ClassTable, set[int]]":
    """Return labels and their class names, and the classes that they show."""
    shown = set[int]().union(*(np.unique(plane).tolist() for plane in labels))
    return labels, table, shown - {UNLABELLED, BACKGROUND}
