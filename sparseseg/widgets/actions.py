"""What a key does on the annotation that is painted on."""

from typing import TYPE_CHECKING

import numpy as np

from sparseseg.classes import BACKGROUND
from sparseseg.errors import UserError
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.messages import MessageArea
    from sparseseg.widgets.planes import ThreePlanes
    from sparseseg.widgets.proposals import Proposals

_BRUSH_STEP = 1.25


class PaintActions:
    """Act for one dock; each action raises `UserError` where it cannot be done."""

    def __init__(
        self,
        desk: "Desk",
        proposals: "Proposals",
        planes: "ThreePlanes",
        messages: "MessageArea",
    ) -> None:
        self._desk = desk
        self._proposals = proposals
        self._planes = planes
        self._messages = messages
        self._hidden: list[Layer] = []

    def owns(self, layer: "Layer") -> bool:
        """Tell whether keys on a layer are for this dock."""
        own = [self._desk.link.annotation, self._proposals.layer]
        twins = [m.twin_of(self._desk.link.annotation) for m in self._planes.mirrors]
        own += [twin.layer for twin in twins if twin]
        return any(layer is one for one in own)

    def run(self, action: "Callable[[PaintActions], None]") -> None:
        """Do an action; what goes wrong becomes a message."""
        with self._messages.catching():
            action(self)

    def next_annotated(self, step: int = 1) -> None:
        """Go to the next annotated slice across the visible axis, or back; in a circle."""
        count = self._desk.ledger.count
        view = self._desk.painter.visible()
        found = [] if count is None else count.ledger.slices
        indices = sorted(s.index for s in found if s.axis == view.axis)
        if not indices:
            raise UserError("No slice across this axis is annotated yet.")
        place = np.searchsorted(indices, view.index + (step > 0), side="left")
        index = indices[(int(place) - (step < 0)) % len(indices)]
        self._desk.painter.go_to(SliceView(view.axis, index))

    def next_suggested(self) -> None:
        """Go to the slice that is worth annotating next."""
        found = self._desk.suggestions.views
        if not found:
            raise UserError("No slice is suggested yet: complete a slice first.")
        view = self._desk.painter.view
        place = found.index(view) + 1 if view in found else 0
        self._desk.painter.go_to(found[place % len(found)])

    def next_doubtful(self) -> None:
        """Go to the next place where the prediction may be wrong."""
        self._desk.doubts.go_to_next()

    def change_plane(self) -> None:
        """Show slices across the next axis."""
        self._desk.painter.turn_to((self._desk.painter.visible().axis + 1) % 3)

    def complete(self) -> None:
        """Fill the rest of the visible slice with background."""
        self._desk.filling.background(self._look)

    def lock(self) -> None:
        """Lock the visible slice, or unlock it."""
        project = self._desk.project
        if project.folder is None:
            raise UserError("Save the project first: locks are kept in a project.")
        project.locks.turn_slice(self._desk.painter.visible())

    def resize_brush(self, step: int) -> None:
        """Make the brush larger or smaller."""
        layer = self._desk.link.annotate()
        size = layer.brush_size
        larger = max(size + 1, round(size * _BRUSH_STEP))
        smaller = min(size - 1, round(size / _BRUSH_STEP))
        layer.brush_size = larger if step > 0 else max(1, smaller)

    def toggle_overlay(self) -> None:
        """Show the image alone, or again what lies over it."""
        hidden, self._hidden = self._hidden, []
        if hidden:
            for layer in hidden:
                layer.visible = True
            return
        seat = self._desk.link.seat
        for layer in [] if seat is None else seat.layers[1:]:
            if layer.visible:
                layer.visible = False
                self._hidden.append(layer)

    def next_class(self, step: int = 1) -> None:
        """Paint with the next class of the table, or the one before; background is last."""
        numbers = [*self._desk.classes.table.numbers, BACKGROUND]
        now = self._desk.painter.label
        place = numbers.index(now) + step if now in numbers else 0
        self._desk.painter.select(numbers[place % len(numbers)])

    def accept_slice(self) -> None:
        """Take over what is proposed on the visible slice, or else what is predicted."""
        if self._proposals.layer is not None:
            self._proposals.accept_slice(self._look)
        else:
            self._desk.filling.predicted(self._look)

    def accept_region(self) -> None:
        """Take over the proposed region under the pointer."""
        self._proposals.accept_region(self._planes.pointer, self._look)

    def go_to_pointer(self) -> None:
        """Let all planes go through the voxel under the pointer."""
        self._desk.viewer.dims.point = self._planes.pointer

    def _look(self, _labelled: int) -> None:
        self._desk.ledger.look()
