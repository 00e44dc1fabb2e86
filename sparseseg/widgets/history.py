"""Every change of the annotations in a journal, in memory until there is a project."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal

from sparseseg.language import say
from sparseseg.project.draft import Draft
from sparseseg.project.keeper import Failed, Idle, Journalled, Keeper, Refused, Turned
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.strokes import Strokes
from sparseseg.widgets.turned import turned_words

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sparseseg.project.entries import Tool
    from sparseseg.project.journal import Journal
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.seat import Seat

Work = TypeVar("Work", bound=Journalled)


class History(QObject):
    """Follow what is painted, and undo it: across slices, planes, layers and images.

    It is written in a thread, so nobody waits.
    """

    told = Signal(str)
    failed = Signal(str)
    _heard = Signal(object)

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._names: dict[Seat, str] = {}
        self._used: set[str] = set()
        """Names of the draft, also of volumes that are not there any more."""
        self._keeper: Keeper[Any] = Keeper(Draft(), self._heard.emit)
        self.strokes = Strokes(desk.painter)
        self._heard.connect(self._on_heard)
        self.strokes.ended.connect(self._on_stroke)
        self.strokes.turned.connect(self.turn)
        desk.link.annotation_changed.connect(self.strokes.follow)
        desk.link.opened.connect(self._on_opened)

    @property
    def current(self) -> str:
        """What the journal calls the volume that is shown, or ""."""
        seat = self._desk.link.seat
        return "" if seat is None else self._names.get(seat, "")

    @property
    def seats(self) -> "dict[Seat, str]":
        """The volumes that are followed, with their names in the journal."""
        return dict(self._names)

    def serve(self, project: Work) -> Keeper[Work]:
        """Write into another journal from now on, after the last of the one before."""
        self._keeper.close()
        self._names.clear()
        self._used.clear()
        self._keeper = keeper = Keeper(project, self._heard.emit)
        return keeper

    def begin_draft(self) -> None:
        """Keep what is open in memory from now on."""
        self.serve(Draft())
        for seat in self._desk.link.seats:
            self._follow_draft(seat)

    def drafted(self) -> "Future[Journal] | None":
        """Return the draft's journal once it has all strokes; None in a project."""
        if not isinstance(self._keeper.project, Draft):
            return None
        self.look()
        return self._keeper.ask(lambda draft: draft.journal)

    def follow(self, seat: "Seat", name: str) -> None:
        """Keep the journal of a volume's annotation under a name."""
        self._names[seat] = name
        self._keeper.follow(name, seat.arrays.annotation)

    def leave(self, seat: "Seat") -> None:
        """Write what is left of a volume, and let go of its annotation."""
        self._keeper.leave(self._names.pop(seat))

    def turn(self, action: Literal["undo", "redo"]) -> None:
        """Undo or redo the newest step, of whichever volume it is."""
        self._keeper.turn(action)

    def look(self) -> None:
        """Write what was painted since the last look."""
        for seat in set(self._names) - set(self._desk.link.seats):
            self.leave(seat)
        if self.current:
            is_painting = self.strokes.is_painting
            tool: Tool = self.strokes.tool if is_painting else "script"
            self._keeper.look(self.current, tool, ends=not is_painting)

    def close(self) -> None:
        """Write the rest, and let go."""
        with suppress(RuntimeError):  # Qt's part of this object may be gone
            self.blockSignals(True)
        self._keeper.close()
        self._names.clear()
        self.strokes.close()

    def _on_opened(self, _arrays: object) -> None:
        seat = self._desk.link.seat
        is_draft = isinstance(self._keeper.project, Draft)
        if is_draft and seat is not None and seat not in self._names:
            self._follow_draft(seat)

    def _follow_draft(self, seat: "Seat") -> None:
        number, name = 1, seat.name
        while name in self._used:
            number += 1
            name = f"{seat.name} ({number})"
        self._used.add(name)
        self.follow(seat, name)

    def _on_stroke(self, tool: "Tool") -> None:
        # napari says so before it writes some changes into the array.
        QTimer.singleShot(0, partial(self._write, self.current, tool))

    def _write(self, name: str, tool: "Tool") -> None:
        if name:
            self._keeper.look(name, tool)

    def _on_heard(self, event: Turned | Refused | Idle | Failed) -> None:
        if isinstance(event, Failed):
            self.failed.emit(event.words)
        elif isinstance(event, Idle):
            self.told.emit(event.words)
        elif isinstance(event, Refused):
            self._show_refused(event)
        else:
            self._show_turned(event)

    def _show_refused(self, event: Refused) -> None:
        self._redraw(event.volume)
        self.told.emit(
            say(
                "{voxels:,} voxels of {volume!r} stay as they were: {reason}.",
                voxels=event.voxels,
                volume=event.volume,
                reason=event.reason,
            )
        )

    def _show_turned(self, event: Turned) -> None:
        axis, index = event.where
        view = SliceView(axis, index)
        self.told.emit(turned_words(event.action, event.tool, view, event.volume))
        self._redraw(event.volume)
        if event.volume == self.current and self._desk.link.annotation is not None:
            self._desk.painter.go_to(view)
            self._desk.ledger.look()

    def _redraw(self, name: str) -> None:
        for seat, own in self._names.items():
            if own == name and seat.annotation is not None:
                seat.annotation.refresh()
