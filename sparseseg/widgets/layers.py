"""The link between napari's layers and the session's arrays; it knows no Qt."""

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.errors import UserError
from sparseseg.events import Phase
from sparseseg.widgets.class_model import ClassModel, colormap_of
from sparseseg.widgets.edits import checked_labels, replace_labels
from sparseseg.widgets.geometry import check_image, lying_on, placement_of, volume_of
from sparseseg.widgets.layer_kinds import ANNOTATION, RESULT, annotation_layer

if TYPE_CHECKING:
    from typing import Any

    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from sparseseg.data.volume import Volume
    from sparseseg.session import Session, SharedArrays

_EDITS = (
    *("data", "scale", "translate", "rotate", "shear", "affine"),
    *("units", "axis_labels"),
)
CLASSES = "sparseseg classes"
"""Where a Labels layer's metadata holds its class table, as `ClassTable.to_json`."""


class LayerLink:
    """Open one image layer in the session and keep its annotation layer.

    The layer shows the session's shared array itself, so that what is painted is there
    without copying.
    """

    images_changed = Signal()
    image_changed = Signal(object)
    """The chosen image layer, or None."""
    image_edited = Signal(str)
    """Which property of the chosen image changed, such as scale or data."""
    opened = Signal(object)
    """The `SharedArrays` of the image that the session works on now."""
    annotation_changed = Signal(object)
    """The annotation's layer, or None once it is removed."""
    warned = Signal(str)

    def __init__(
        self, viewer: "ViewerModel", session: "Session", classes: ClassModel
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._classes = classes
        self.image: Image | None = None
        self.open_image: Image | None = None
        self.volume: Volume | None = None
        self.arrays: SharedArrays | None = None
        self.annotation: Labels | None = None
        classes.changed.connect(self._recolour)
        for event in self._list_events():
            event.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def images(self) -> list[Image]:
        """The image layers a user may choose, the results left out."""
        layers = [layer for layer in self._viewer.layers if type(layer) is Image]
        return [layer for layer in layers if RESULT not in layer.metadata]

    @property
    def placement(self) -> "dict[str, Any]":
        """The keywords that put a layer where the open image lies now."""
        return {} if self.open_image is None else placement_of(self.open_image)

    @property
    def lying_there(self) -> "list[Layer]":
        """The chosen image and all layers that have its voxels in its place."""
        return [] if self.image is None else lying_on(self.image, self._viewer.layers)

    def choose(self, image: Image | None) -> None:
        """Take the image to work on; nothing is opened before it is needed."""
        self._listen_to(image)
        self.image = image
        self.image_changed.emit(image)

    def open(self) -> "SharedArrays":
        """Hand the chosen image to the session, unless it has it already."""
        if self.image is None:
            raise UserError("Open an image first: drop a 3-D image onto the window.")
        if self.arrays is None or self.image is not self.open_image:
            self._check_idle()
            volume = volume_of(self.image)
            self.release()
            self.arrays = self._session.open(volume)
            self.volume, self.open_image = volume, self.image
            self.opened.emit(self.arrays)
        return self.arrays

    def annotate(self) -> Labels:
        """Show the annotation of the chosen image, ready to paint on."""
        arrays = self.open()
        if self.annotation is None:
            table = self._classes.table
            self.annotation = annotation_layer(arrays.annotation, table, self.placement)
            self._viewer.add_layer(self.annotation)
            self.annotation.mode = "paint"  # earlier, adding it would reset the mode
            self.annotation_changed.emit(self.annotation)
        self._viewer.layers.selection.active = self.annotation
        return self.annotation

    def adopt(self, source: "Layer | None") -> int:
        """Copy a Labels layer into the annotation; return how many voxels changed."""
        if not isinstance(source, Labels) or source is self.annotation:
            raise UserError("Select a Labels layer in the layer list first.")
        if self.image is None:
            raise UserError("Choose the image that these labels belong to first.")
        check_image(self.image)
        labels = checked_labels(source, self.image.data.shape[-3:])
        table = ClassTable.from_json(source.metadata.get(CLASSES, []))
        if table.classes:
            self._classes.replace(table)
        source.visible = False
        if source.name == ANNOTATION:
            source.name = f"{ANNOTATION} (original)"
        return self.overwrite(labels)

    def overwrite(self, labels: "NDArray[np.uint8]") -> int:
        """Put other labels into the annotation; return how many voxels changed."""
        numbers = set(np.unique(labels).tolist()) - {0, BACKGROUND}
        self._classes.include(numbers)
        return replace_labels(self.annotate(), labels)

    def count(self, number: int) -> int:
        """Return how many voxels are painted with a class."""
        if self.arrays is None:
            return 0
        return int(np.count_nonzero(self.arrays.annotation == number))

    def release(self) -> None:
        """Leave the layers to the user; the shared arrays live as long as they do."""
        had_annotation = self.annotation is not None
        self.arrays = self.volume = self.open_image = None
        self.annotation = None
        if had_annotation:
            self.annotation_changed.emit(None)

    def close(self) -> None:
        """Let go of the viewer, and of those who listen."""
        self._listen_to(None)
        for signal in (
            self.images_changed,
            self.image_changed,
            self.image_edited,
            self.opened,
            self.annotation_changed,
            self.warned,
        ):
            signal.disconnect()
        self._classes.changed.disconnect(self._recolour)
        for event in self._list_events():
            event.disconnect(self._on_layers)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _listen_to(self, image: Image | None) -> None:
        for name in _EDITS:
            if self.image is not None:
                self.image.events[name].disconnect(self._on_edited)
            if image is not None:
                image.events[name].connect(self._on_edited)

    def _on_edited(self, event: "Event") -> None:
        self.image_edited.emit(event.type)

    def _list_events(self) -> "list[Any]":
        events = self._viewer.layers.events
        return [events.inserted, events.removed, events.reordered, events.renamed]

    def _check_idle(self) -> None:
        if self._session.phase not in (Phase.IDLE, Phase.LOST):
            raise UserError(
                "Stop training first: sparseseg works on one image at a time."
            )

    def _recolour(self, table: ClassTable) -> None:
        if self.annotation is not None:
            self.annotation.colormap = colormap_of(table)

    def _on_layers(self) -> None:
        if self.image not in self.images:
            self.choose(None)
        self.images_changed.emit()

    def _on_removed(self, event: "Event") -> None:
        layer = event.value
        if layer is self.annotation:
            self.annotation = None
            self.annotation_changed.emit(None)
            self.warned.emit(_ANNOTATION_REMOVED)
        elif layer is self.open_image:
            self.warned.emit(_IMAGE_REMOVED)


_ANNOTATION_REMOVED = (
    "The annotation's layer was removed, but nothing painted is lost: "
    "Show annotation brings it back."
)
_IMAGE_REMOVED = (
    "The image's layer was removed from the window; sparseseg goes on with its own "
    "copy of the image."
)
