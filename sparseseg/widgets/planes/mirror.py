"""The model of a second viewer that shows the layers of the first across another axis."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from sparseseg.widgets.planes.twin import Rows, Twin
from sparseseg.widgets.slices import roll_to, shown_axis

if TYPE_CHECKING:
    from napari.utils.events import Event

_SPATIAL = 3


class Mirror:
    """Show what a viewer shows, `turn` axes on (1 or 2), at the same point.

    Image and Labels layers have twins here. Painting and scrolling work in both viewers,
    and each follows the other. `changed` is called with a twin and the layer of the two
    that was painted on.
    """

    def __init__(
        self,
        main: ViewerModel,
        turn: int,
        changed: Callable[[Twin, Layer, Rows | None], None],
    ) -> None:
        self.main = main
        self.model = ViewerModel()
        self.twins: list[Twin] = []
        self._turn = turn
        self._changed = changed
        self._is_moving = False
        layers, dims = main.layers, main.dims
        self._links = [
            *(
                (e, self._match)
                for e in (layers.events.inserted, layers.events.removed)
            ),
            (layers.events.reordered, self._match),
            (layers.selection.events.active, self._select),
            *((e, self._follow) for e in (dims.events.point, dims.events.order)),
            (dims.events.ndisplay, self._follow),
            (self.model.dims.events.point, self._lead),
        ]
        for emitter, slot in self._links:
            emitter.connect(slot)
        self._match()

    @property
    def axis(self) -> int | None:
        """The axis (0 z, 1 y, 2 x) that this viewer shows slices across."""
        shown = shown_axis(self.main.dims)
        return None if shown is None else (shown + self._turn) % _SPATIAL

    def twin_of(self, layer: Layer | None) -> Twin | None:
        """Return the twin of a layer of the main viewer."""
        return next((twin for twin in self.twins if twin.source is layer), None)

    def close(self) -> None:
        """Let go of the main viewer."""
        for emitter, slot in self._links:
            emitter.disconnect(slot)
        for twin in self.twins:
            twin.close()
        self.twins.clear()
        self.model.layers.clear()

    def add(self, layer: Layer) -> None:
        """Add a layer that only this viewer has, above all others."""
        with self._changing():
            self.model.layers.append(layer)
        self._select()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let nothing that napari sets for a new layer reach the main viewer."""
        was_moving, self._is_moving = self._is_moving, True
        for twin in self.twins:
            twin.is_leading = False
        try:
            yield
        finally:
            self._is_moving = was_moving
            for twin in self.twins:
                twin.take_brush()
                twin.is_leading = True

    def _match(self, _event: "Event | None" = None) -> None:
        """Have a twin of each layer, in the same order."""
        is_first = not self.twins
        with self._changing():
            self._match_layers()
        self._follow()
        self._select()
        if is_first and self.twins:
            self.model.reset_view()

    def _match_layers(self) -> None:
        wanted = [layer for layer in self.main.layers if type(layer) in (Image, Labels)]
        for twin in [twin for twin in self.twins if twin.source not in wanted]:
            twin.close()
            self.twins.remove(twin)
            self.model.layers.remove(twin.layer)
        known = {twin.source: twin for twin in self.twins}
        self.twins = [known.get(layer) or self._twin(layer) for layer in wanted]
        layers = self.model.layers
        for place, twin in enumerate(self.twins):
            if twin.layer not in layers:
                layers.insert(place, twin.layer)
            elif layers.index(twin.layer) != place:
                layers.move(layers.index(twin.layer), place)

    def _twin(self, layer: Layer) -> Twin:
        dims = self.main.dims
        return Twin(layer, lambda: (dims.order, dims.point), self._changed)

    def _select(self, _event: "Event | None" = None) -> None:
        twin = self.twin_of(self.main.layers.selection.active)
        with self._changing():
            self.model.layers.selection.active = None if twin is None else twin.layer

    def _follow(self, _event: "Event | None" = None) -> None:
        """Go where the main viewer went."""
        axis, dims = self.axis, self.model.dims
        if self._is_moving or axis is None or dims.ndim != self.main.dims.ndim:
            return
        self._is_moving = True
        try:
            if shown_axis(dims) != axis:
                roll_to(dims, axis)
                self.model.reset_view()
            if dims.point != self.main.dims.point:
                dims.point = self.main.dims.point
        finally:
            self._is_moving = False

    def _lead(self, _event: "Event | None" = None) -> None:
        """Let the main viewer, and with it the other plane, go where this one went."""
        if self._is_moving or self.model.dims.ndim != self.main.dims.ndim:
            return
        self._is_moving = True
        try:
            self.main.dims.point = self.model.dims.point
        finally:
            self._is_moving = False
