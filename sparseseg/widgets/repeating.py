"""One slice painted a second time, blank, to learn how well a person repeats it."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.errors import UserError
from sparseseg.evaluation.slice_score import SliceScore, UnseenPlane
from sparseseg.widgets.background import Background
from sparseseg.widgets.layer_kinds import RESULT, again_layer
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from sparseseg.evaluation.gain import Plane
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.seat import Seat

PERSON = "person"
"""Who a repeated slice is by, where others name a method."""


@dataclass(frozen=True, slots=True, eq=False)
class _Repeat:
    """What is hidden while a slice is painted again, and what is painted on."""

    view: SliceView
    seat: "Seat"
    layer: "Labels"
    hidden: "tuple[Layer, ...]"


class Repeating(QObject):
    """Let a complete slice be painted again on a layer of its own; compare both.

    Nothing learns from the second time. What was painted first, all slices that cross it and
    all predictions are hidden meanwhile.
    """

    changed = Signal()
    """A slice is painted again, or is no more, or there is another score."""
    measured = Signal(object)
    """The `SliceScore` of a person beside what the person had painted before."""
    failed = Signal(str)

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._now: _Repeat | None = None
        self._seat: Seat | None = None
        self._complete: list[Plane] = []
        self.scores: tuple[SliceScore, ...] = ()
        """Of the visible volume."""
        self._comparing = Background("repeating")
        self._comparing.done.connect(self._take)
        self._comparing.failed.connect(self.failed)
        desk.ledger.counted.connect(self._on_counted)
        desk.project.changed.connect(self._meet_project)
        desk.link.image_changed.connect(self._on_image)
        desk.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def view(self) -> SliceView | None:
        """The slice that is painted again now."""
        return None if self._now is None else self._now.view

    @property
    def can_begin(self) -> bool:
        """Whether there is a complete slice that was not repeated yet."""
        return bool(self._left)

    def begin(self) -> None:
        """Show the slice with most to outline blank; raises `UserError` without one."""
        seat = self._desk.link.seat
        if seat is None or not self._left:
            raise UserError(
                "Complete a slice first: it can then be painted again, to compare both."
            )
        self._desk.painter.annotation()  # raises before anything is hidden
        view = SliceView(*max(self._left, key=partial(_painted, seat)))
        layer = again_layer(
            np.zeros_like(seat.arrays.annotation),
            self._desk.classes.table,
            self._desk.link.placement,
            image=seat.name,
        )
        hidden = tuple(filter(_tells, self._desk.viewer.layers))
        for one in hidden:
            one.visible = False
        self._desk.viewer.add_layer(layer)
        self._now = _Repeat(view, seat, layer, hidden)
        self._desk.painter.go_to(view)
        self._desk.painter.paint_on(layer)
        self._desk.painter.select(layer.selected_label)
        self.changed.emit()

    def compare(self) -> None:
        """Compare both times; raises `UserError` where nothing is painted yet."""
        if self._now is None:
            return
        again = np.asarray(self._now.layer.data)[self._now.view.selection].copy()
        if not again.any():
            raise UserError(
                "Nothing is painted on slice {view} yet: paint it, then press Compare.",
                view=self._now.view,
            )
        view, seat = self._now.view, self._now.seat
        first = seat.arrays.annotation[view.selection].copy()
        self._comparing.start(partial(_scored, seat, view, first, again))
        self.stop()

    def stop(self) -> None:
        """Take the second time away, and show again what was hidden."""
        if self._now is None:
            return
        now, self._now = self._now, None
        self._desk.painter.paint_on(None)
        layers = self._desk.viewer.layers
        if now.layer in layers:
            layers.remove(now.layer)
        for layer in now.hidden:
            layer.visible = True
        self.changed.emit()

    def close(self) -> None:
        """End what is painted again and the thread, and let go of the viewer."""
        self.stop()
        self._desk.viewer.layers.events.removed.disconnect(self._on_removed)
        self._comparing.close()

    @property
    def _left(self) -> "list[Plane]":
        known = {(score.axis, score.index) for score in self.scores}
        return [plane for plane in self._complete if plane not in known]

    def _on_counted(self, count: "LedgerCount | None") -> None:
        seat = self._desk.link.seat
        if seat is not self._seat:
            self._seat, self.scores = seat, ()
        slices = () if count is None else count.ledger.slices
        self._complete = [(s.axis, s.index) for s in slices if s.complete]
        self._meet_project()

    def _meet_project(self) -> None:
        """Know what the project keeps of the visible volume, and keep the others there."""
        project = self._desk.project
        kept = {(score.axis, score.index): score for score in project.repeats}
        for score in self.scores:
            if kept.get((score.axis, score.index)) != score:
                project.keep_repeat(score)
                kept[score.axis, score.index] = score
        self.scores = tuple(kept.values()) if kept else self.scores
        self.changed.emit()

    def _on_image(self, _image: object) -> None:
        self.stop()

    def _on_removed(self, event: object) -> None:
        if self._now is not None and getattr(event, "value", None) is self._now.layer:
            self.stop()

    def _take(self, found: "tuple[Seat, SliceScore]") -> None:
        seat, score = found
        if seat is not self._seat:
            return
        self.scores = (*self.scores, score)
        self._desk.project.keep_repeat(score)
        self.measured.emit(score)
        self.changed.emit()


def _tells(layer: "Layer") -> bool:
    """Tell whether a layer shows, or may show, what was painted or predicted."""
    is_told = isinstance(layer, Labels) or RESULT in layer.metadata
    return bool(layer.visible and is_told)


def agreement(scores: "tuple[SliceScore, ...]") -> float | None:
    """Return the mean Dice of slices that were painted twice; None without one."""
    known = [score.mean_dice for score in scores if score.mean_dice is not None]
    return float(np.mean(known)) if known else None


def _painted(seat: "Seat", plane: "Plane") -> int:
    """Return how many voxels of classes a slice shows."""
    labels = seat.arrays.annotation[SliceView(*plane).selection]
    return int(np.count_nonzero((labels != UNLABELLED) & (labels != BACKGROUND)))


def _scored(
    seat: "Seat",
    view: SliceView,
    first: "NDArray[np.uint8]",
    again: "NDArray[np.uint8]",
) -> "tuple[Seat, SliceScore]":
    """Compare; what was left unlabelled the second time counts as background."""
    blank = np.full_like(first, UNLABELLED)
    second = UnseenPlane(again % np.uint8(BACKGROUND), blank, PERSON, 0)
    return seat, SliceScore.of((view.axis, view.index), second, first)
