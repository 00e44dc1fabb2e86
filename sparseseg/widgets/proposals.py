"""The proposal of the chosen image: a layer whose labels are accepted part by part."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparseseg.classes import UNLABELLED
from sparseseg.data.proposals import region_at
from sparseseg.errors import UserError
from sparseseg.widgets.edits import take
from sparseseg.widgets.layer_kinds import PROPOSAL, prediction_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from sparseseg.project.journal import Tool
    from sparseseg.widgets.desk import Desk


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """Labels that something proposes for the annotation, and what proposes them."""

    labels: "NDArray[np.uint8]"
    origin: "Tool"


class Proposals:
    """Show one proposal at a time, and move parts of it into the annotation.

    Only unlabelled voxels are labelled, so that corrections with the brush stay.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._shown: Proposed | None = None

    @property
    def layer(self) -> "Labels | None":
        """The layer with the proposal of the chosen image."""
        seat = self._desk.link.seat
        layer = None if seat is None else seat.proposal
        return layer if layer in self._desk.viewer.layers else None

    def show(self, proposed: Proposed) -> None:
        """Show a proposal in place of the one before; raises `UserError` if it is empty."""
        if not proposed.labels.any():
            raise UserError("Nothing is proposed: take another source or other values.")
        self.discard()
        seat = self._desk.link.seat
        assert seat is not None, "what is proposed belongs to an open image"
        self._desk.classes.include(set(np.unique(proposed.labels).tolist()) - {0, 255})
        seat.proposal = prediction_layer(
            proposed.labels,
            self._desk.classes.table,
            self._desk.link.placement,
            image=seat.name,
            kind=PROPOSAL,
        )
        self._shown = proposed
        self._desk.results.insert(seat.proposal)

    def discard(self) -> None:
        """Take the proposal away."""
        if (layer := self.layer) is not None:
            self._desk.viewer.layers.remove(layer)
        if self._desk.link.seat is not None:
            self._desk.link.seat.proposal = None
        self._shown = None

    def accept_slice(self) -> int:
        """Label the rest of the visible slice as proposed; return how many voxels."""
        plane, view = self._plane(), self._desk.painter.visible()
        where = np.ones(plane.shape, bool)
        return self._take(view.index_of(where), plane[where])

    def accept_region(self, position: "Sequence[float]") -> int:
        """Take over the region of the visible slice at a point of the world."""
        plane, view = self._plane(), self._desk.painter.visible()
        layer = self._layer()
        voxel = [round(float(v)) for v in layer.world_to_data(position[-3:])]
        rows, columns = (v for axis, v in enumerate(voxel) if axis != view.axis)
        inside = 0 <= rows < plane.shape[0] and 0 <= columns < plane.shape[1]
        region = region_at(plane, (rows, columns)) if inside else np.zeros((1, 1), bool)
        if not region.any():
            raise UserError("Nothing is proposed there: point at a coloured region.")
        return self._take(view.index_of(region), plane[region])

    def accept_class(self, number: int) -> int:
        """Take over a class in the whole volume; return how many voxels."""
        index = np.nonzero(self._layer().data == number)
        return self._take(index, np.full(index[0].size, number, np.uint8))

    def _take(
        self, index: "tuple[NDArray[np.intp], ...]", values: "NDArray[np.uint8]"
    ) -> int:
        wanted = values != UNLABELLED
        index = tuple(places[wanted] for places in index)
        annotation = self._desk.link.annotate()
        origin = "proposal" if self._shown is None else self._shown.origin
        with self._desk.painter.using(origin):
            return take(annotation, index, values[wanted])

    def _plane(self) -> "NDArray[np.uint8]":
        view = self._desk.painter.visible()
        plane = np.asarray(self._layer().data[view.selection])
        if not plane.any():
            raise UserError(f"Nothing is proposed on slice {view}.")
        return plane

    def _layer(self) -> "Labels":
        if (layer := self.layer) is None:
            raise UserError("Nothing is proposed yet: press Propose first.")
        return layer
