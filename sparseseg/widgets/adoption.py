"""Labels made elsewhere, put into the annotation while the window goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.errors import UserError
from sparseseg.widgets.background import Background
from sparseseg.widgets.edits import check_shape, checked_labels, replace_labels
from sparseseg.widgets.geometry import check_image
from sparseseg.widgets.label_files import classes_of
from sparseseg.widgets.layer_kinds import ANNOTATION, name_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from sparseseg.widgets.class_model import ClassModel
    from sparseseg.widgets.layers import LayerLink

_VOXELS = 2**17  # napari takes about 10 ms to write as many
_TURN = 0.02
"""Seconds to write in before Qt has its turn."""


@dataclass(slots=True)
class _Copy:
    """An annotation's layer, what it becomes, and how far that is."""

    layer: Labels
    labels: "NDArray[np.uint8]" = field(default_factory=lambda: np.empty(0, np.uint8))
    boxes: Iterator[Box] = field(default_factory=lambda: iter(()))
    history: ExitStack = field(default_factory=ExitStack)
    changed: int = 0


class Adoption(QObject):
    """Put whole arrays of labels into the annotation of the chosen image.

    They are read and checked in a thread, and written in small parts between the events
    of the window, as one step that napari can undo.
    """

    done = Signal(int)
    """How many voxels changed."""
    failed = Signal(str)

    def __init__(self, link: "LayerLink", classes: "ClassModel") -> None:
        super().__init__()
        self._link = link
        self._classes = classes
        self._reading = Background("adoption")
        self._reading.done.connect(self._write)
        self._reading.failed.connect(self._fail)
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._go_on)
        self._copy: _Copy | None = None

    @property
    def is_busy(self) -> bool:
        """Whether labels are being read or written."""
        return self._copy is not None

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
        self._check_free()
        check_image(link.image)
        shape = link.image.data.shape[-3:]
        check_shape(source, shape)
        if source.name == name_of(link.image.name, ANNOTATION):
            source.name = f"{source.name} (original)"
        source.visible = False
        self.start(lambda: (checked_labels(source, shape), classes_of(source)))

    def start(self, read: "Callable[[], tuple[NDArray[np.uint8], ClassTable]]") -> None:
        """Start to put in the labels that `read` returns, and their class names if any."""
        self._check_free()
        layer = self._link.annotate()
        layer.mode = "pan_zoom"  # a stroke would become part of this step
        self._copy = _Copy(layer)
        self._reading.start(lambda: _with_numbers(*read()))

    def close(self) -> None:
        """Write no more; what was written stays, and can be undone."""
        self._reading.close()
        self._end()

    def _check_free(self) -> None:
        if self.is_busy:
            raise UserError("Other labels are being copied. Try again in a moment.")

    def _write(self, found: "tuple[NDArray[np.uint8], ClassTable, set[int]]") -> None:
        copy = self._copy
        assert copy is not None, "labels are read for a copy"
        copy.labels, table, numbers = found
        if table.classes:
            self._classes.replace(table)
        self._classes.include(numbers)
        copy.boxes = _boxes(copy.labels.shape)
        copy.history.enter_context(copy.layer.block_history())
        self._timer.start()

    def _go_on(self) -> None:
        copy = self._copy
        assert copy is not None, "the timer runs while something is copied"
        if all(copy.layer is not seat.annotation for seat in self._link.seats):
            self._fail("The annotation was removed while labels were copied into it.")
            return
        until = time.perf_counter() + _TURN
        for box in copy.boxes:
            copy.changed += replace_labels(copy.layer, copy.labels, box)
            if time.perf_counter() > until:
                return
        self._end()
        self.done.emit(copy.changed)

    def _fail(self, complaint: str) -> None:
        self._end()
        self.failed.emit(complaint)

    def _end(self) -> None:
        self._timer.stop()
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.history.close()
            copy.layer.refresh()
            copy.layer.mode = "paint"


def _with_numbers(
    labels: "NDArray[np.uint8]", table: ClassTable
) -> "tuple[NDArray[np.uint8], ClassTable, set[int]]":
    """Return labels and their class names, and the classes that they show."""
    shown = set[int]().union(*(np.unique(plane).tolist() for plane in labels))
    return labels, table, shown - {UNLABELLED, BACKGROUND}


def _boxes(shape: tuple[int, ...]) -> Iterator[Box]:
    """Cut an annotation into parts of whole rows that are written one by one."""
    depth, rows, columns = shape
    step = max(1, _VOXELS // columns)
    for z, y in product(range(depth), range(0, rows, step)):
        yield Box((z, y, 0), (z + 1, min(y + step, rows), columns))
