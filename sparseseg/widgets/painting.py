"""Painting on the annotation: the class, the slice, and what is worth a warning."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from sparseseg.errors import UserError
from sparseseg.language import say, template
from sparseseg.widgets.slices import (
    SliceView,
    go_to,
    go_to_voxel,
    roll_to,
    visible_slice,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from sparseseg.boxes import Triple
    from sparseseg.project.entries import Tool
    from sparseseg.widgets.layers import LayerLink

_NO_LAYER = template(
    "Show the annotation first: New annotation, or Show annotation, in step 2."
)
_BALL = say(
    "The brush paints a ball through several slices (n edit dim is 3): "
    "those slices will count as annotated."
)
_IN_3D = say(
    "In the 3-D display strokes land on surfaces: turn to 2-D to paint slices."
)


class Painter:
    """Follow the annotation's layer and act on the slice that is shown."""

    label_changed = Signal(int)
    view_changed = Signal(object)
    """The visible `SliceView`, or None."""
    cautioned = Signal(str)
    """What is wrong with the brush now, or an empty text."""

    def __init__(self, viewer: "ViewerModel", link: "LayerLink") -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._instead: Labels | None = None
        self.tool: Tool | None = None
        """What fills a part of the slice at this moment, or None."""
        self.view: SliceView | None = None
        self.caution = ""
        link.annotation_changed.connect(self._follow)
        for event in self._dims_events():
            event.connect(self._look)

    @property
    def label(self) -> int | None:
        """The value that the brush paints, None without an annotation."""
        return None if self._layer is None else int(self._layer.selected_label)

    def select(self, number: int) -> None:
        """Paint with this class from now on; 0 erases."""
        layer = self._instead or self.annotation()
        self._viewer.layers.selection.active = layer
        layer.selected_label = number
        layer.mode = "paint"

    def paint_on(self, layer: "Labels | None") -> None:
        """Paint on another layer from now on, or with None on the annotation again."""
        self._instead = layer
        self._viewer.layers.selection.active = layer or self._layer

    def turn_to(self, axis: int) -> None:
        """Show slices across an axis (0 z, 1 y, 2 x)."""
        if self._viewer.dims.ndim < 3:
            raise UserError("Open a 3-D image first.")
        self._viewer.dims.ndisplay = 2
        roll_to(self._viewer.dims, axis)

    def go_to(self, view: SliceView) -> None:
        """Show one slice."""
        self._viewer.dims.ndisplay = 2
        go_to(self._viewer.dims, self.annotation(), view)

    def go_to_voxel(self, voxel: "Triple") -> None:
        """Let all planes go through a voxel, and bring it into the canvas."""
        dims = self._viewer.dims
        dims.ndisplay = 2
        go_to_voxel(dims, self.annotation(), voxel)
        if not self._is_in_view(voxel):
            row, column = (float(dims.point[axis]) for axis in dims.displayed)
            self._viewer.scene.camera.center = (0.0, row, column)

    def _is_in_view(self, voxel: "Triple") -> bool:
        """Tell whether a voxel of the visible slice lies in the canvas, at this zoom."""
        low, high = self.annotation().corner_pixels
        shown = [
            axis - (self._viewer.dims.ndim - 3) for axis in self._viewer.dims.displayed
        ]
        return all(low[axis] <= voxel[axis] <= high[axis] for axis in shown)

    def close(self) -> None:
        """Let go of the viewer, the layer, and of those who listen."""
        for signal in (self.label_changed, self.view_changed, self.cautioned):
            signal.disconnect()
        self._follow(None)
        for event in self._dims_events():
            event.disconnect(self._look)

    @contextmanager
    def using(self, tool: "Tool") -> Iterator[None]:
        """Let what is changed in the block count as done with a tool."""
        self.tool = tool
        try:
            yield
        finally:
            self.tool = None

    def annotation(self) -> "Labels":
        """Return the annotation's layer; raises `UserError` where there is none."""
        if self._layer is None:
            raise UserError(_NO_LAYER)
        return self._layer

    def visible(self) -> SliceView:
        """Return the slice that is shown; raises `UserError` where there is none."""
        if self.view is None:
            raise UserError("No single slice is shown: turn to 2-D and to the volume.")
        return self.view

    def _dims_events(self) -> list[Any]:
        events = self._viewer.dims.events
        return [events.point, events.order, events.ndisplay, events.ndim]

    def _follow(self, layer: "Labels | None") -> None:
        if self._layer is not None:
            self._layer.events.selected_label.disconnect(self._on_label)
            self._layer.events.n_edit_dimensions.disconnect(self._check_brush)
        self._layer = layer
        if layer is not None:
            layer.events.selected_label.connect(self._on_label)
            layer.events.n_edit_dimensions.connect(self._check_brush)
            self._on_label()
        self._look()

    def _on_label(self) -> None:
        if self._layer is not None:
            self.label_changed.emit(self._layer.selected_label)

    def _look(self) -> None:
        layer = self._layer
        view = None if layer is None else visible_slice(self._viewer.dims, layer)
        if view != self.view:
            self.view = view
            self.view_changed.emit(view)
        self._check_brush()

    def _check_brush(self) -> None:
        caution = self._find_caution()
        if caution != self.caution:
            self.caution = caution
            self.cautioned.emit(caution)

    def _find_caution(self) -> str:
        if self._layer is None:
            return ""
        if self._viewer.dims.ndisplay == 3:
            return _IN_3D
        return _BALL if self._layer.n_edit_dimensions > 2 else ""
