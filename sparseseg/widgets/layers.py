"""The link between napari's layers and the session's arrays; it knows no Qt."""

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.session.events import Phase
from sparseseg.widgets.class_model import ClassModel, colormap_of
from sparseseg.widgets.edits import checked_labels
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.geometry import lying_on, placement_of, volume_of
from sparseseg.widgets.layer_kinds import (
    ANNOTATION,
    CLASSES,
    RESULT,
    annotation_layer,
)
from sparseseg.widgets.seat import Seat

if TYPE_CHECKING:
    from pathlib import Path
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


class LayerLink:
    """Keep the image that was chosen, and what was opened of this and other images.

    The chosen image is the one that everything is about: `seat` is what belongs to it,
    None until it is opened, and `open` makes it the current one of the session before
    anything is done with it. An annotation's layer shows the session's shared array
    itself, so that what is painted is there without copying.
    """

    images_changed = Signal()
    image_changed = Signal(object)
    """The chosen image layer, or None."""
    whole_shown = Signal()
    """The canvas was made to show all of the chosen image."""
    image_edited = Signal(str)
    """Which property of the chosen image changed, such as scale or data."""
    opened = Signal(object)
    """The `SharedArrays` of the chosen image, or None while it is not open."""
    annotation_changed = Signal(object)
    """The annotation's layer of the chosen image, or None."""
    warned = Signal(str)
    image_lost = Signal(object)
    """The `Seat` whose image was removed from the window."""

    def __init__(
        self, viewer: "ViewerModel", session: "Session", classes: ClassModel
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._classes = classes
        self._seats: list[Seat] = []
        self.image: Image | None = None
        self.seat: Seat | None = None
        self._seen: NDArray[np.float64] | None = None
        """Where the image lies, or lay, that was chosen last."""
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
    def seats(self) -> tuple[Seat, ...]:
        """What was opened of all images."""
        return tuple(self._seats)

    @property
    def painted(self) -> list[Seat]:
        """Those of all images that have something painted."""
        return [seat for seat in self._seats if seat.arrays.annotation.any()]

    @property
    def arrays(self) -> "SharedArrays | None":
        """The arrays of the chosen image, once it is open."""
        return None if self.seat is None else self.seat.arrays

    @property
    def volume(self) -> "Volume | None":
        """The volume of the chosen image, once it is open."""
        return None if self.seat is None else self.seat.volume

    @property
    def annotation(self) -> Labels | None:
        """The annotation's layer of the chosen image."""
        return None if self.seat is None else self.seat.annotation

    @property
    def placement(self) -> "dict[str, Any]":
        """The keywords that put a layer where the chosen image lies."""
        return {} if self.seat is None else placement_of(self.seat.image)

    @property
    def files(self) -> "list[Path]":
        """The file that the chosen image was read from, as far as that is known."""
        facts = None if self.image is None else facts_in(self.image.metadata)
        return [facts.path] if facts and facts.path else []

    @property
    def lying_there(self) -> "list[Layer]":
        """The chosen image and all layers that have its voxels in its place."""
        return [] if self.image is None else lying_on(self.image, self._viewer.layers)

    @property
    def working_on(self) -> str:
        """The name of another image that the session is at work on, or ""."""
        if self._session.phase in (Phase.IDLE, Phase.LOST):
            return ""
        seat = self.at_work
        return "" if seat is None or seat is self.seat else seat.name

    @property
    def at_work(self) -> Seat | None:
        """What the session trains on and predicts."""
        arrays = self._session.current
        return next((seat for seat in self._seats if seat.arrays is arrays), None)

    @property
    def is_at_work(self) -> bool:
        """Whether the chosen image is the one that the session trains on and predicts."""
        return self.seat is not None and self.seat is self.at_work

    def choose(self, image: Image | None) -> None:
        """Take the image to work on; nothing is opened before it is needed.

        The canvas goes to an image that lies elsewhere than the one before.
        """
        self._listen_to(image)
        if self.image is not None:
            self._seen = self.image.extent.world
        before, self.image, self.seat = self.seat, image, self._seat_of(image)
        self.image_changed.emit(image)
        self._tell_seat(before)
        if image is not None and self._seen is not None:
            is_there = np.array_equal(self._seen[:, -3:], image.extent.world[:, -3:])
            if not is_there:
                self.show_whole()

    def show_whole(self) -> None:
        """Let the canvas show all of the chosen image, in a slice that it has."""
        if self.image is None:
            return
        dims, (low, high) = self._viewer.dims, self.image.extent.world
        for axis, ends in enumerate(zip(low, high, strict=True), -len(low)):
            if not ends[0] <= dims.point[axis] <= ends[1]:
                dims.set_point(dims.ndim + axis, sum(ends) / 2)
        self._viewer.fit_to_view(layers=[self.image])
        self.whole_shown.emit()

    def open(self) -> "SharedArrays":
        """Make the chosen image the one that the session works on; open it if need be.

        Raises `UserError` without an image, and while the session works on another.
        """
        if self.image is None:
            raise UserError("Open an image first: drop a 3-D image onto the window.")
        if self.working_on:
            raise UserError(
                "sparseseg works on {working_on!r} now. Press Stop, or wait until "
                "that has ended, to change to {name!r}.",
                working_on=self.working_on,
                name=self.image.name,
            )
        seat = self.seat
        if seat is None:
            seat = self._opened(self.image)
            self._seats.append(seat)
            before, self.seat = self.seat, seat
            self._tell_seat(before)
        else:
            self._session.go_over(seat.arrays)
        return seat.arrays

    def check_free(self) -> None:
        """Raise `UserError` while the session is at work on any image."""
        if self._session.phase not in (Phase.IDLE, Phase.LOST):
            raise UserError(
                "sparseseg is training or predicting: press Stop, or wait until that has "
                "ended, to open another volume."
            )

    def restore(self, image: Image, annotation: "NDArray[np.uint8]") -> Seat:
        """Add an image with the annotation that it has already, and choose it."""
        volume = volume_of(image)
        seat = Seat(image, volume, self._session.open(volume, annotation))
        self._seats.append(seat)
        self._viewer.add_layer(image)
        self.choose(image)
        return seat

    def release(self, seat: Seat) -> None:
        """Take the layers of an image away, and give its memory back."""
        self._seats.remove(seat)
        for layer in [layer for layer in seat.layers if layer in self._viewer.layers]:
            self._viewer.layers.remove(layer)
        self._session.let_go(seat.arrays)

    def annotate(self) -> Labels:
        """Show the annotation of the chosen image, ready to paint on."""
        self.open()
        seat = self.seat
        assert seat is not None, "an image that was opened has its seat"
        if seat.annotation is None:
            layer = annotation_layer(
                seat.arrays.annotation,
                self._classes.table,
                self.placement,
                image=seat.name,
            )
            seat.annotation = layer
            self._viewer.add_layer(layer)
            layer.mode = "paint"  # earlier, adding it would reset the mode
            self.annotation_changed.emit(layer)
        self._viewer.layers.selection.active = seat.annotation
        return seat.annotation

    def look(self) -> None:
        """See to it that strokes on the annotation's layer reach the shared array.

        napari puts another array into a layer whose type is converted. What was painted
        on it is taken over. Raises `UserError` for values that no annotation has.
        """
        seat = self.seat
        if seat is None or seat.annotation is None:
            return
        layer, array = seat.annotation, seat.arrays.annotation
        if layer.data is array:
            return
        labels = checked_labels(layer, array.shape)
        self._classes.include(set(np.unique(labels).tolist()) - {0, BACKGROUND})
        array[...] = labels
        layer.data = array
        # The history is of the other array: undo would write its values into this one.
        layer.editable = False
        layer.editable = True
        layer.mode = "paint"
        self.warned.emit(_CONVERTED)

    def bring_back(self, seat: Seat) -> None:
        """Show the image of a seat again, and choose it."""
        self._viewer.layers.insert(0, seat.image)
        self.choose(seat.image)

    def count(self, number: int) -> int:
        """Return how many voxels of all images are painted with a class."""
        annotations = (seat.arrays.annotation for seat in self.seats)
        return sum(int(np.count_nonzero(a == number)) for a in annotations)

    def close(self) -> None:
        """Let go of the viewer, and of those who listen."""
        self._listen_to(None)
        for signal in (
            self.images_changed,
            self.image_changed,
            self.whole_shown,
            self.image_edited,
            self.opened,
            self.annotation_changed,
            self.warned,
            self.image_lost,
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

    @property
    def left_over(self) -> Labels | None:
        """An annotation of the chosen image that an earlier panel has left."""
        if self.image is None or self.seat is not None:
            return None
        shape = self.image.data.shape[-3:]
        return next(
            (
                layer
                for layer in self._viewer.layers
                if layer.metadata.get(ANNOTATION) == self.image.name
                and layer.data.shape == shape
            ),
            None,
        )

    def _opened(self, image: Image) -> Seat:
        """Open an image, with the annotation that an earlier panel has left."""
        volume, left = volume_of(image), self.left_over
        if left is None:
            seat = Seat(image, volume, self._session.open(volume))
            seat.labels.assume_unlabelled()
            return seat
        labels = checked_labels(left, volume.shape)
        seat = Seat(image, volume, self._session.open(volume, labels))
        table = ClassTable.from_json(left.metadata[CLASSES])
        self._classes.take(table, is_painted=bool(self.painted))
        self._viewer.layers.remove(left)
        return seat

    def _seat_of(self, image: Image | None) -> Seat | None:
        """Return what was opened of an image, also if its file was opened again."""
        if image is None:
            return None
        known = next((seat for seat in self._seats if seat.image is image), None)
        if known is not None:
            return known
        for seat in self._seats:
            if seat.image not in self._viewer.layers and seat.shows(image):
                seat.image = image
                return seat
        return None

    def _tell_seat(self, before: Seat | None) -> None:
        if self.seat is not before:
            self.opened.emit(self.arrays)
            self.annotation_changed.emit(self.annotation)

    def _recolour(self, table: ClassTable) -> None:
        """Show new classes in all layers that have them, of all images."""
        for layer in (layer for seat in self._seats for layer in seat.layers):
            if isinstance(layer, Labels) and CLASSES in layer.metadata:
                layer.colormap = colormap_of(table)
                layer.metadata[CLASSES] = table.to_json()

    def _on_layers(self) -> None:
        if self.image not in self.images:
            self.choose(None)
        self._lock_copies()
        self.images_changed.emit()

    def _lock_copies(self) -> None:
        """Let nobody paint on a copy of an annotation: its strokes would go nowhere."""
        ours = [seat.annotation for seat in self._seats]
        for layer in self._viewer.layers:
            if ANNOTATION in layer.metadata and layer not in ours:
                layer.editable = False

    def _on_removed(self, event: "Event") -> None:
        layer = event.value
        for seat in self._seats:
            if layer is seat.annotation:
                seat.annotation = None
                if seat is self.seat:
                    self.annotation_changed.emit(None)
                    self.warned.emit(ANNOTATION_REMOVED)
            elif layer is seat.image:
                self.image_lost.emit(seat)
        self._leave_removed()

    def _leave_removed(self) -> None:
        """Give back the memory of images of which no layer is left."""
        for seat in list(self._seats):
            is_shown = any(layer in self._viewer.layers for layer in seat.layers)
            if not is_shown and seat.arrays is not self._session.current:
                self._seats.remove(seat)
                self._session.let_go(seat.arrays)


def image_removed(name: str) -> str:
    """Say that the layer of an image is gone, and nothing else."""
    return say(
        "{name!r} was removed from the window. What was painted on it is kept.",
        name=name,
    )


ANNOTATION_REMOVED = say(
    "The annotation's layer was removed, but nothing painted is lost: "
    "Show annotation brings it back."
)
_CONVERTED = say(
    "The annotation's layer had been converted to another type. What you painted was "
    "taken over; strokes before that cannot be undone any more."
)
