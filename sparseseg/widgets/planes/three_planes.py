"""Two more planes of the volume beside the one of napari's canvas."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.qt import QtViewer
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QSplitter

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.widgets.planes import lines
from sparseseg.widgets.planes.mirror import Mirror
from sparseseg.widgets.planes.zoom import LinkedZoom
from sparseseg.widgets.same_view import LAYOUT_MS, SameView
from sparseseg.widgets.slices import point_in, visible_slice

if TYPE_CHECKING:
    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer, Vectors
    from napari.utils.events import Event
    from qtpy.QtWidgets import QDockWidget, QWidget

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.planes.twin import Rows, Twin
    from sparseseg.widgets.slices import SliceView

_TITLE = say("Other planes")
_SOON_MS = 20
_SHARE = 0.4
"""Of the width of napari's canvas, for the other planes."""


class ThreePlanes(QObject):
    """Show the other two planes in a dock, linked with napari's own canvas."""

    shown = Signal(bool)
    moved = Signal()
    """Other slices are shown than before beside napari's canvas."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._dock: QDockWidget | None = None
        self._views: list[QtViewer] = []
        self._lines: list[tuple[ViewerModel, Vectors]] = []
        self._is_refreshing = False
        self._slices: tuple[SliceView, ...] = ()
        self._window: QWidget | None = None
        self._beside: QDockWidget | None = None
        self._zoom: LinkedZoom | None = None
        self._same: SameView | None = None
        self.mirrors: list[Mirror] = []
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._draw_lines)
        self._renewing = QTimer(self, singleShot=True, interval=0)
        self._renewing.timeout.connect(self._renew_lines)

    @property
    def is_shown(self) -> bool:
        """Whether the other planes are there."""
        return bool(self.mirrors)

    @property
    def slices(self) -> "tuple[SliceView, ...]":
        """The slices that are shown beside the one of napari's canvas."""
        annotation = self._desk.link.annotation
        if annotation is None:
            return ()
        views = (visible_slice(m.model.dims, annotation) for m in self.mirrors)
        return tuple(view for view in views if view is not None)

    def turn(self, beside: "QWidget") -> None:
        """Show the other planes to the left of a dock's widget, or take them away."""
        if self.is_shown:
            self.hide()
        else:
            self.show(beside)

    def show(self, beside: "QWidget | None" = None) -> None:
        """Show the other planes; raises `UserError` where there is no volume."""
        if self.is_shown:
            return
        if self._desk.viewer.dims.ndim < 3:
            raise UserError("Open a 3-D image first.")
        self._desk.viewer.dims.ndisplay = 2
        self.start()
        window = getattr(self._desk.viewer, "window", None)
        if window is not None:  # a viewer without a window has no canvas to show
            self._dock_views(self._desk.viewer, beside)
        self.shown.emit(True)

    def start(self) -> None:
        """Make the models of the two planes, and follow what they show."""
        viewer = self._desk.viewer
        viewer.layers.events.removing.disconnect(self._keep_visual)
        viewer.layers.events.removing.connect(self._keep_visual)
        self.mirrors = [Mirror(viewer, turn, self._on_changed) for turn in (1, 2)]
        for mirror in self.mirrors:
            mirror.model.layers.events.removing.connect(self._keep_visual)
            mirror.model.dims.events.point.connect(self._plan)
            mirror.model.scene.camera.events.zoom.connect(self._plan)
        self._zoom = LinkedZoom([viewer, *(mirror.model for mirror in self.mirrors)])
        self._desk.ledger.counted.connect(self._plan)
        self._desk.link.annotation_changed.connect(self._on_annotation)
        self._desk.link.whole_shown.connect(self._show_whole)
        for event in self._main_events():
            event.connect(self._plan)
        self._on_annotation()
        self._renewing.stop()
        self._renew_lines()

    def hide(self) -> None:
        """Take the other planes away."""
        if not self.is_shown:
            return
        self._soon.stop()
        self._renewing.stop()
        self._desk.ledger.counted.disconnect(self._plan)
        self._desk.link.annotation_changed.disconnect(self._on_annotation)
        self._desk.link.whole_shown.disconnect(self._show_whole)
        for event in self._main_events():
            event.disconnect(self._plan)
        self._desk.history.strokes.leave_twins()
        self._remove_lines()
        if self._zoom is not None:
            self._zoom.close()
            self._zoom = None
        self._close_views()
        if self._same is not None:
            self._same.give_back()
            self._same = None
        for mirror in self.mirrors:
            mirror.close()
        self.mirrors = []
        self.shown.emit(False)

    @property
    def pointer(self) -> tuple[float, ...]:
        """The point of the world under the pointer, in whichever plane it is."""
        for view, mirror in zip(self._views, self.mirrors, strict=False):
            if view.canvas.native.underMouse():
                return tuple(mirror.model.cursor.position)
        return tuple(self._desk.viewer.cursor.position)

    def _on_changed(self, twin: "Twin", layer: "Layer", box: "Rows | None") -> None:
        """Draw what one layer of a group shows on those of the others that it touches."""
        if self._is_refreshing:
            return
        self._is_refreshing = True
        try:
            views = self._views_of(twin.source)
            seen = next((view for other, view in views if other is layer), None)
            for other, view in views:
                if other is not layer and other.visible and _touches(seen, box, view):
                    other.refresh(extent=False, thumbnail=False)
        finally:
            self._is_refreshing = False

    def _views_of(self, source: "Layer") -> "list[tuple[Layer, SliceView | None]]":
        """Return a layer and its twins, each with the slice that is shown of it."""
        found = [(source, visible_slice(self._desk.viewer.dims, source))]
        for mirror in self.mirrors:
            if (twin := mirror.twin_of(source)) is not None:
                found.append((twin.layer, visible_slice(mirror.model.dims, source)))
        return found

    def _on_annotation(self, _layer: object = None) -> None:
        """Write what is painted on the twins, and draw the lines of this annotation."""
        annotation = self._desk.link.annotation
        twins = [mirror.twin_of(annotation) for mirror in self.mirrors]
        self._desk.history.strokes.join([twin.layer for twin in twins if twin])
        # napari's list crashes if it is changed while it tells of a removal.
        self._renewing.start()

    def _renew_lines(self) -> None:
        """Put the lines where the annotation lies; without one they are hidden.

        The layers stay: a canvas may crash when it draws after its lines were removed.
        """
        annotation = self._desk.link.annotation
        if annotation is not None and not self._has_lines:
            self._remove_lines()
            self._add_lines(annotation)
        for _, layer in self._lines:
            layer.visible = annotation is not None
            if annotation is not None:
                lines.place(layer, self._desk.link.placement)
        self._draw_lines()

    def _keep_visual(self, event: "Event") -> None:
        """Let what draws a layer live as long as its canvas.

        Where a second canvas was there, OpenGL may have the buffers of a visual bound
        when vispy deletes them, and the next frame reads them: napari crashed when the
        last layer was removed. Planes that are hidden again do not change that.
        """
        if self._window is None:  # a viewer without a window
            return
        layer = event.source[event.index]
        for view in self._window.findChildren(QtViewer):
            if (visual := view.canvas.layer_to_visual.get(layer)) is not None:
                view.__dict__.setdefault("sparseseg_kept", []).append(visual.node)

    @property
    def _has_lines(self) -> bool:
        return bool(self._lines) and all(
            layer in model.layers for model, layer in self._lines
        )

    def _add_lines(self, annotation: "Labels") -> None:
        placement, layers = self._desk.link.placement, self._desk.viewer.layers
        own, *others = [lines.line_layer(placement) for _ in range(3)]
        active, mode = layers.selection.active, annotation.mode
        layers.append(own)
        layers.selection.active = active
        annotation.mode = mode  # napari resets it for a layer that it adds
        self._lines.append((self._desk.viewer, own))
        for mirror, layer in zip(self.mirrors, others, strict=True):
            mirror.add(layer)
            self._lines.append((mirror.model, layer))

    def _main_events(self) -> list[Any]:
        viewer = self._desk.viewer
        dims = viewer.dims.events
        return [dims.point, dims.order, viewer.scene.camera.events.zoom]

    def _plan(self, _event: object = None) -> None:
        self._soon.start()

    def _draw_lines(self) -> None:
        annotation, count = self._desk.link.annotation, self._desk.ledger.count
        if annotation is None:
            return
        slices = () if count is None else count.ledger.slices
        for model, layer in self._lines:
            view = visible_slice(model.dims, annotation)
            if view is not None and layer in model.layers:
                point = point_in(model.dims, annotation)
                shape = annotation.data.shape
                found = lines.lines_in(view, shape, slices, point)
                lines.show(layer, found, model.scene.camera.zoom)
        if self.slices != self._slices:
            self._slices = self.slices
            self.moved.emit()

    def _remove_lines(self) -> None:
        for model, layer in self._lines:
            with suppress(ValueError):  # the user removed it
                model.layers.remove(layer)
        self._lines.clear()

    def _dock_views(
        self, viewer: "napari.viewer.Viewer", beside: "QWidget | None"
    ) -> None:
        self._same = SameView(viewer)
        self._views = [QtViewer(mirror.model) for mirror in self.mirrors]
        splitter = QSplitter(Qt.Orientation.Vertical)
        for view in self._views:
            splitter.addWidget(view)
        self._dock = dock = viewer.window.add_dock_widget(
            splitter, name=_TITLE, area="right", tabify=False
        )
        self._window = dock.window()
        dock.destroyed.connect(self._on_destroyed)
        self._beside = _put_left(dock, beside)
        dock.visibilityChanged.connect(self._on_visible)
        QTimer.singleShot(LAYOUT_MS, self._fit)

    def _fit(self) -> None:
        """Show all of each plane, once the canvases have their sizes."""
        if self._zoom is not None:
            if self._same is not None:
                self._same.keep()
            self._show_whole()

    def _show_whole(self) -> None:
        """Show all of the chosen image in each plane."""
        assert self._zoom is not None, "planes that are shown are linked"
        with self._zoom.apart():
            for mirror in self.mirrors:
                twin = mirror.twin_of(self._desk.link.image)
                mirror.model.fit_to_view(layers=None if twin is None else [twin.layer])

    def _on_visible(self, _is_visible: bool) -> None:
        if self._dock is not None and self._dock.isHidden():
            QTimer.singleShot(0, self.hide)

    def _on_destroyed(self, _object: Any = None) -> None:
        self._dock = None

    def _close_views(self) -> None:
        for view in self._views:
            view.close()
            view.deleteLater()
        self._views = []
        dock, self._dock = self._dock, None
        if dock is not None:
            with suppress(LookupError, RuntimeError):  # the window closes it
                width = 0 if self._beside is None else self._beside.width()
                self._desk.viewer.window.remove_dock_widget(dock.widget())
                _keep_width(self._beside, width)


def _touches(
    seen: "SliceView | None", box: "Rows | None", view: "SliceView | None"
) -> bool:
    """Tell whether a change of a part of one slice can be seen on another one."""
    if seen is None or box is None or view is None or seen.axis == view.axis:
        return True
    others = [axis for axis in range(3) if axis != seen.axis]
    return view.index in box[others.index(view.axis)]


def _keep_width(dock: "QDockWidget | None", width: int) -> None:
    """Give the room of a dock that was taken away to the canvas, not to the other dock."""
    if dock is not None:
        dock.parent().resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def _put_left(dock: "QDockWidget", beside: "QWidget | None") -> "QDockWidget | None":
    """Put a dock to the left of the one with a widget, and return that; Qt puts it below."""
    window = dock.parent()
    other = beside
    while other is not None and other.parent() is not window:
        other = other.parent()
    if other is None:
        return None
    window.splitDockWidget(dock, other, Qt.Orientation.Horizontal)
    wide = round(_SHARE * window.centralWidget().width())
    widths = [wide, other.width()]
    window.resizeDocks([dock, other], widths, Qt.Orientation.Horizontal)
    return other
