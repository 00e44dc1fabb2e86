"""The ledger drawn: one line an axis, a tick for every annotated slice."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QWidget

from sparseseg.data.slices import AXES, AnnotatedSlice
from sparseseg.language import say, say_count
from sparseseg.widgets.keys import NEXT_SUGGESTED, key_of
from sparseseg.widgets.slice_strip import SliceStrip
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.text import text_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparseseg.evaluation.gain import Plane
    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.evaluation.suggesting import Suggestion
    from sparseseg.widgets.ledger import LedgerCount


class LedgerView(QWidget):
    """Show which slices are annotated, which are complete, and which one is visible."""

    asked = Signal(object)
    """The `SliceView` that the user clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._count: LedgerCount | None = None
        self._view: SliceView | None = None
        self._locked: frozenset[tuple[int, int]] = frozenset()
        self._suggested: Sequence[Suggestion] = ()
        self._scores: Mapping[Plane, SliceScore] = {}
        self.coverage = text_label(role="hint")
        self.visible = text_label()
        self.next = text_label(role="hint")
        self.strips = [SliceStrip(axis) for axis in range(3)]
        self.totals = [text_label(role="hint", wrap=False) for _ in range(3)]
        self._build()
        self._show()

    def show_count(self, count: "LedgerCount | None") -> None:
        """Show a recount."""
        self._count = count
        self._show()

    def show_locked(self, slices: frozenset[tuple[int, int]]) -> None:
        """Mark the slices, by axis and index, that are locked."""
        self._locked = slices
        for axis, strip in enumerate(self.strips):
            strip.show_locked(frozenset(i for a, i in slices if a == axis))
        self._show()

    def show_suggested(self, found: "Sequence[Suggestion]") -> None:
        """Mark the slices that are worth annotating next, and say which is the first."""
        self._suggested = found
        for axis, strip in enumerate(self.strips):
            strip.show_suggested(tuple(s.index for s in found if s.axis == axis))
        self._show()

    def show_scores(self, scores: "Mapping[Plane, SliceScore]") -> None:
        """Say of complete slices how they were predicted before they were annotated."""
        self._scores = scores
        self._show()

    def show_view(self, view: SliceView | None) -> None:
        """Mark the slice that is on the screen."""
        self._view = view
        self._show()

    def _build(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 2, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        for axis, (strip, total) in enumerate(
            zip(self.strips, self.totals, strict=True)
        ):
            strip.asked.connect(self.asked)
            grid.addWidget(text_label(AXES[axis], wrap=False), axis, 0)
            grid.addWidget(strip, axis, 1)
            grid.addWidget(total, axis, 2)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.visible, 3, 0, 1, 3)
        grid.addWidget(self.next, 4, 0, 1, 3)
        grid.addWidget(self.coverage, 5, 0, 1, 3)

    def _show(self) -> None:
        count = self._count
        for axis, (strip, total) in enumerate(
            zip(self.strips, self.totals, strict=True)
        ):
            slices = [s for s in count.ledger.slices if s.axis == axis] if count else []
            shown = self._view.index if self._view and self._view.axis == axis else None
            strip.show_slices(count.shape[axis] if count else 0, slices, shown)
            total.setText(_total(slices))
        self.coverage.setText(_coverage(count))
        view = self._view
        is_locked = view is not None and (view.axis, view.index) in self._locked
        words = _visible(count, view, self._scores)
        self.visible.setText(
            say("{words}, locked", words=words) if words and is_locked else words
        )
        self.visible.setHidden(not self.visible.text())
        self.next.setText(_next(self._suggested, view))
        self.next.setHidden(not self.next.text())


def _total(slices: list[AnnotatedSlice]) -> str:
    if not slices:
        return say("none")
    complete = sum(s.complete for s in slices)
    return say_count(
        "{count} slice, {complete} complete",
        "{count} slices, {complete} complete",
        len(slices),
        complete=complete,
    )


def _coverage(count: "LedgerCount | None") -> str:
    if count is None:
        return say("No annotation yet.")
    return say("{share:.1%} of all voxels are labelled.", share=count.ledger.share)


def _next(found: "Sequence[Suggestion]", view: SliceView | None) -> str:
    """Say why the visible slice is suggested, or else which slice comes first."""
    if not found:
        return ""
    for one in found:
        if view == SliceView(one.axis, one.index):
            return say("Suggested: {reason}.", reason=one.reason)
    first = found[0]
    where = SliceView(first.axis, first.index)
    key = key_of(NEXT_SUGGESTED)
    if not key:
        return say("Next: slice {where}, {reason}.", where=where, reason=first.reason)
    return say(
        "Next (key {key}): slice {where}, {reason}.",
        key=key,
        where=where,
        reason=first.reason,
    )


def _visible(
    count: "LedgerCount | None",
    view: SliceView | None,
    scores: "Mapping[Plane, SliceScore]",
) -> str:
    if count is None or view is None:
        return ""
    found = [
        s for s in count.ledger.slices if (s.axis, s.index) == (view.axis, view.index)
    ]
    if not found:
        return say("Slice {view}: not annotated", view=view)
    if found[0].complete:
        return _complete(view, scores.get((view.axis, view.index)))
    sides = [n for axis, n in enumerate(count.shape) if axis != view.axis]
    return say(
        "Slice {view}: {voxels:.0%} labelled",
        view=view,
        voxels=found[0].voxels / (sides[0] * sides[1]),
    )


def _complete(view: SliceView, score: "SliceScore | None") -> str:
    if score is None or score.mean_dice is None:
        return say("Slice {view}: complete", view=view)
    return say(
        "Slice {view}: complete; before that, the prediction had a Dice of {dice:.2f} here",
        view=view,
        dice=score.mean_dice,
    )
