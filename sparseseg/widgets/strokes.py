"""When a stroke on the annotation begins and ends, with which tool, and the keys of undo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app_model.types import KeyCode, KeyMod
from psygnal import Signal

from sparseseg.project.entries import Tool

if TYPE_CHECKING:
    from napari.layers import Labels

    from sparseseg.widgets.painting import Painter

_TOOLS: dict[str, Tool] = {
    "paint": "brush",
    "erase": "eraser",
    "fill": "fill",
    "polygon": "polygon",
}
_UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
_REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ


class Strokes:
    """Follow the annotation's layer while a project is open.

    napari's own undo keeps a hundred strokes of one layer, until it is closed. In its
    place the two keys ask for the project's.
    """

    ended = Signal(str)
    """The tool of a change that is complete."""
    turned = Signal(str)
    """The user asks for "undo" or "redo"."""

    def __init__(self, painter: "Painter") -> None:
        self._painter = painter
        self._layer: Labels | None = None
        self._twins: list[Labels] = []
        self.is_painting = False

    @property
    def tool(self) -> Tool:
        """What is painted with now."""
        if self._painter.tool is not None:
            return self._painter.tool
        mode = "" if self._layer is None else str(self._layer.mode)
        return _TOOLS.get(mode, "edit")

    def follow(self, layer: "Labels | None") -> None:
        """Listen to another layer, or to none."""
        if layer is self._layer:
            return
        twins = self._twins
        self._let_go()
        self._layer, self.is_painting = layer, False
        if layer is not None:
            self._listen(layer)
            self.join(twins)

    def join(self, twins: "list[Labels]") -> None:
        """Listen also to other layers on the same array, in place of those before."""
        self.leave_twins()
        self._twins = twins
        for twin in twins if self._layer is not None else ():
            self._listen(twin)

    def leave_twins(self) -> None:
        """Listen to the annotation's own layer only."""
        for twin in self._twins:
            self._ignore(twin)
        self._twins = []

    def close(self) -> None:
        """Let go of the layer, and of those who listen."""
        self._let_go()
        self._layer = None
        self.ended.disconnect()
        self.turned.disconnect()

    def _let_go(self) -> None:
        for layer in (self._layer, *self._twins):
            if layer is not None:
                self._ignore(layer)

    def _listen(self, layer: "Labels") -> None:
        layer.events.paint.connect(self._on_paint)
        layer.mouse_drag_callbacks.append(self._on_drag)
        layer.bind_key(_UNDO, lambda _: self.turned.emit("undo"), overwrite=True)
        layer.bind_key(_REDO, lambda _: self.turned.emit("redo"), overwrite=True)

    def _ignore(self, layer: "Labels") -> None:
        if self._on_drag not in layer.mouse_drag_callbacks:
            return
        layer.events.paint.disconnect(self._on_paint)
        layer.mouse_drag_callbacks.remove(self._on_drag)
        for key in (_UNDO, _REDO):
            layer.bind_key(key, None, overwrite=True)

    def _on_paint(self, _event: Any) -> None:
        self.ended.emit(self.tool)

    def _on_drag(self, _layer: "Labels", event: Any) -> Iterator[None]:
        self.is_painting = True
        yield
        while event.type == "mouse_move":
            yield
        self.is_painting = False
