"""The proposal of the chosen image: a layer whose labels are accepted part by part."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from sparseseg.boxes import Box
from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.proposals import region_at
from sparseseg.errors import UserError
from sparseseg.widgets.filling import part_of
from sparseseg.widgets.layer_kinds import PROPOSAL, prediction_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from sparseseg.project.entries import Tool
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.filling import Ended


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """Labels that something proposes for the annotation, and what proposes them."""

    labels: "NDArray[np.uint8]"
    origin: "Tool"
    numbers: frozenset[int]
    """The values of the labels, besides 0."""
    table: ClassTable = field(default_factory=ClassTable)
    """The names of the classes, where something tells them."""
    notes: tuple[str, ...] = ()
    """What was decided for the user, or found out."""

    @classmethod
    def of(
        cls,
        labels: "NDArray[np.uint8]",
        origin: "Tool",
        *,
        table: ClassTable | None = None,
        notes: tuple[str, ...] = (),
    ) -> "Proposed":
        """Look which values are proposed; raises `UserError` if there are none."""
        numbers = frozenset(SparseLabels(labels).counts())
        if not numbers:
            raise UserError("Nothing is proposed: take another source or other values.")
        return cls(labels, origin, numbers, table or ClassTable(), notes)


class Proposals:
    """Show one proposal at a time, and move parts of it into the annotation.

    Only unlabelled voxels are labelled, so that corrections with the brush stay.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._shown: WeakKeyDictionary[Labels, Proposed] = WeakKeyDictionary()

    @property
    def layer(self) -> "Labels | None":
        """The layer with the proposal of the chosen image."""
        seat = self._desk.link.seat
        layer = None if seat is None else seat.proposal
        return layer if layer in self._desk.viewer.layers else None

    def show(self, proposed: Proposed) -> None:
        """Show a proposal in place of the one before, with its class names if possible."""
        self.discard()
        seat = self._desk.link.seat
        assert seat is not None, "what is proposed belongs to an open image"
        self._desk.take_classes(proposed.table)
        self._desk.classes.include(proposed.numbers - {BACKGROUND})
        seat.proposal = prediction_layer(
            proposed.labels,
            self._desk.classes.table,
            self._desk.link.placement,
            image=seat.name,
            kind=PROPOSAL,
        )
        self._shown[seat.proposal] = proposed
        self._desk.results.insert(seat.proposal)

    def discard(self) -> None:
        """Take the proposal away."""
        if (layer := self.layer) is not None:
            self._desk.viewer.layers.remove(layer)
        if self._desk.link.seat is not None:
            self._desk.link.seat.proposal = None

    def accept_slice(self, ended: "Ended") -> None:
        """Label the rest of the visible slice as proposed."""
        self._take(self._plane(), ended)

    def accept_region(self, position: "Sequence[float]", ended: "Ended") -> None:
        """Take over the region of the visible slice at a point of the world."""
        plane, view = self._plane(), self._desk.painter.visible()
        layer = self._layer()
        voxel = [round(float(v)) for v in layer.world_to_data(position[-3:])]
        rows, columns = (v for axis, v in enumerate(voxel) if axis != view.axis)
        inside = 0 <= rows < plane.shape[0] and 0 <= columns < plane.shape[1]
        region = region_at(plane, (rows, columns)) if inside else np.zeros((1, 1), bool)
        if not region.any():
            raise UserError("Nothing is proposed there: point at a coloured region.")
        self._take(np.where(region, plane, np.uint8(UNLABELLED)), ended)

    def accept_class(self, number: int, ended: "Ended") -> None:
        """Begin to take over a class in the whole volume, while the window goes on.

        Raises `UserError` where the class is not proposed.
        """
        shown = self._shown[self._layer()]
        if number not in shown.numbers:
            raise UserError(
                "Class {number} is not proposed: choose one of "
                "{numbers} in the list of classes.",
                number=number,
                numbers=", ".join(map(str, sorted(shown.numbers))),
            )

        def of_class(box: Box) -> "NDArray[np.uint8]":
            proposed = shown.labels[box.slices]
            return np.where(proposed == number, proposed, np.uint8(UNLABELLED))

        fill = self._desk.filling.start
        fill(of_class, within=None, tool=shown.origin, ended=ended)

    def _take(self, plane: "NDArray[np.uint8]", ended: "Ended") -> None:
        """Take over what is left of the visible slice of the proposal."""
        view, origin = self._desk.painter.visible(), self._shown[self._layer()].origin
        box = Box.plane(self._layer().data.shape, view.axis, view.index)
        labelled = part_of(np.expand_dims(plane, view.axis), box)
        self._desk.filling.start(labelled, within=box, tool=origin, ended=ended)

    def _plane(self) -> "NDArray[np.uint8]":
        view = self._desk.painter.visible()
        plane = np.asarray(self._layer().data[view.selection])
        if not plane.any():
            raise UserError("Nothing is proposed on slice {view}.", view=view)
        return plane

    def _layer(self) -> "Labels":
        if (layer := self.layer) is None:
            raise UserError("Nothing is proposed yet: press Propose first.")
        return layer
