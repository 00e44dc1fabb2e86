"""A second layer on the same array: what is painted on one is there on the other."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.layers import Image, Labels, Layer

_LOOK = (
    *("visible", "opacity", "blending"),
    *("scale", "translate", "affine", "units", "data"),
)
_IMAGE = ("contrast_limits", "gamma", "colormap")
_LABELS = ("colormap", "contour", "show_selected_label", "editable")
_BRUSH = (
    *("selected_label", "brush_size", "mode", "n_edit_dimensions"),
    *("contiguous", "preserve_labels"),
)
"""What is the same in all planes, wherever it is changed."""


Rows = tuple[range, range]
"""The rows and columns of a plane that a stroke changed."""


class Twin:
    """Keep a layer that shows another one in a second viewer.

    `changed` is called when what one of them shows has changed, after the array has the
    change. `place` tells what the source's viewer shows: a layer that is drawn again in
    the same place has changed.
    """

    def __init__(
        self,
        source: Layer,
        place: Callable[[], object],
        changed: Callable[["Twin", Layer, Rows | None], None],
    ) -> None:
        self.source = source
        self._place = place
        self.is_leading = False
        """Whether the source takes over what is chosen on the twin."""
        self._changed = changed
        data, keywords, kind = source.as_layer_data_tuple()
        self.layer = Layer.create(data, dict(keywords), kind)
        self._links: list[tuple[Any, Callable[..., None]]] = []
        self._shown = place()
        own = _IMAGE if isinstance(source, Image) else (*_LABELS, *_BRUSH)
        for name in (*_LOOK, *own):
            _copy(source, self.layer, name)  # napari's own copy lacks some
            self._link(source, self.layer, name)
        # Undo and a new prediction tell nothing but that the slice was drawn again.
        self._connect(source.events.set_data, self._on_drawn)
        if isinstance(source, Labels):
            self._follow_brush()

    def take_brush(self) -> None:
        """Paint as the source does; a viewer resets this when it gets a layer."""
        for name in _BRUSH if isinstance(self.source, Labels) else ():
            _copy(self.source, self.layer, name)

    def close(self) -> None:
        """Let go of both layers."""
        for emitter, slot in self._links:
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(slot)
        self._links.clear()

    def _follow_brush(self) -> None:
        self.take_brush()
        for name in _BRUSH:
            self._lead(name)
        for layer in (self.source, self.layer):
            self._connect(layer.events.labels_update, self._telling(layer))

    def _telling(self, layer: Layer) -> Callable[..., None]:
        def tell(event: Any) -> None:
            rows, columns = event.data.shape[:2]
            top, left = event.offset
            box = (range(top, top + rows), range(left, left + columns))
            self._changed(self, layer, box)

        return tell

    def _on_drawn(self, _event: object = None) -> None:
        place = self._place()
        has_moved, self._shown = place != self._shown, place
        if not has_moved:
            self._changed(self, self.source, None)

    def _link(self, source: Layer, target: Layer, name: str) -> None:
        def follow(_event: object = None) -> None:
            _copy(source, target, name)

        self._connect(getattr(source.events, name), follow)

    def _lead(self, name: str) -> None:
        def lead(_event: object = None) -> None:
            if self.is_leading:
                _copy(self.layer, self.source, name)

        self._connect(getattr(self.layer.events, name), lead)

    def _connect(self, emitter: Any, slot: Callable[..., None]) -> None:
        emitter.connect(slot)
        self._links.append((emitter, slot))


def _copy(source: Layer, target: Layer, name: str) -> None:
    """Give a layer a property of another one, unless it has it."""
    value = getattr(source, name)
    known = getattr(target, name)
    if value is known:
        return
    with suppress(ValueError, TypeError):  # an array has no truth
        if value == known:
            return
    setattr(target, name, value)
