"""Clicks on a proposal, each of which takes over one region."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparseseg.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Labels

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.proposals import Proposals


class RegionPicker:
    """Select the proposal's layer, so that a click goes there and not to the brush."""

    def __init__(
        self, desk: "Desk", proposals: "Proposals", messages: "MessageArea"
    ) -> None:
        self._desk = desk
        self._proposals = proposals
        self._messages = messages
        self._layer: Labels | None = None

    @property
    def is_on(self) -> bool:
        """Whether clicks take regions over."""
        return self._layer is not None

    def start(self) -> None:
        """Wait for clicks; raises `UserError` without a proposal."""
        layer = self._proposals.layer
        if layer is None:
            raise UserError("Nothing is proposed yet: press Propose first.")
        self._layer = layer
        layer.mouse_drag_callbacks.append(self._on_press)
        self._desk.viewer.layers.selection.active = layer

    def stop(self) -> None:
        """Give the clicks back to the brush."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.mouse_drag_callbacks.remove(self._on_press)
        annotation = self._desk.link.annotation
        if annotation is not None:
            self._desk.viewer.layers.selection.active = annotation

    def _on_press(self, _layer: "Labels", event: Any) -> Iterator[None]:
        yield
        if event.type == "mouse_move":  # the canvas is dragged
            return
        with self._messages.catching():
            active = self._desk.viewer.layers.selection.active
            self._proposals.accept_region(event.position, self._look)
            self._desk.viewer.layers.selection.active = active

    def _look(self, _labelled: int) -> None:
        self._desk.ledger.look()
