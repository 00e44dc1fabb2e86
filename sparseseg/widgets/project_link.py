"""The project that is open in the window: what is painted goes into its journal."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from sparseseg.language import say
from sparseseg.project.keeper import Failed, Keeper, Refused, Turned
from sparseseg.project.project import Project
from sparseseg.session.events import Rules
from sparseseg.session.messages import Others
from sparseseg.widgets.background import Background
from sparseseg.widgets.errands import Errands
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.locks import Locks
from sparseseg.widgets.project_models import ProjectModels
from sparseseg.widgets.project_view import apply_view, view_of
from sparseseg.widgets.project_work import (
    Loaded,
    Opened,
    Row,
    VolumeToSave,
    add,
    created,
    loaded_from,
    opened,
    rows_in,
    with_ledger,
)
from sparseseg.widgets.slices import SliceView
from sparseseg.widgets.strokes import Strokes
from sparseseg.widgets.turned import turned_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.project.journal import Tool
    from sparseseg.project.models import ProjectModel
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.ledger import LedgerCount
    from sparseseg.widgets.seat import Seat


class ProjectLink(QObject):
    """Make, open and keep a project; nothing slow is done in Qt's thread."""

    changed = Signal()
    """The project, its volumes or what they have are others now."""
    failed = Signal(str)
    told = Signal(str)
    shown = Signal(object)
    """The newest `ProjectModel` of a project that was opened."""
    rules = Signal(object)
    """The `Rules` of a project that was opened."""
    _heard = Signal(object)

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._keeper: Keeper | None = None
        self._names: dict[Seat, str] = {}
        self._view: dict[str, Any] = {}
        self._is_restoring = False
        self.rows: list[Row] = []
        self.strokes = Strokes(desk.painter)
        self.errands = Errands()
        self.locks = Locks(self)
        self.models = ProjectModels(desk, self)
        self._counting = Background("volumes")
        self._connect()

    @property
    def project(self) -> Project | None:
        """The project that is open; only its thread may work on it."""
        return None if self._keeper is None else self._keeper.project

    @property
    def folder(self) -> Path | None:
        """The folder of the project that is open."""
        return None if self._keeper is None else self._keeper.project.folder

    @property
    def current(self) -> str:
        """The name of the volume that is shown, or ""."""
        seat = self._desk.link.seat
        return "" if seat is None else self._names.get(seat, "")

    @property
    def scores(self) -> "tuple[SliceScore, ...]":
        """The scores of slices that the project has of the volume that is shown."""
        if self.project is None or not self.current:
            return ()
        return self.project.record_of(self.current).scores

    def keep_score(self, score: "SliceScore") -> None:
        """Keep the score of a slice of the volume that is shown."""
        if name := self.current:
            self.errands.ask(
                lambda project: project.keep_score(name, score), lambda _: None
            )

    def others(self) -> Others | None:
        """Return the annotated volumes besides the one that is shown, to train on."""
        names = tuple(row.name for row in self.rows if row.slices)
        rest = tuple(name for name in names if name != self.current)
        if self.folder is None or not rest:
            return None
        return Others(self.folder, rest)

    def create(self, folder: Path) -> None:
        """Save what is open as a new project in a folder."""
        seats = list(self._desk.link.seats)
        given = [self._given(seat) for seat in seats]
        self.errands.start(
            partial(created, folder, given),
            lambda made: self._begin(made[0], seats, made[1]),
        )

    def open(self, folder: Path) -> None:
        """Open a project with its volume, annotation, classes, model, rules and view."""
        self._desk.link.check_free()
        self.close_project()
        self.errands.start(partial(opened, folder), self._take_opened)

    def show(self, name: str) -> None:
        """Go to another volume; the arrays of the one before are given back.

        Volumes that are open side by side stay open.
        """
        if self._keeper is None or name == self.current:
            return
        self._desk.link.check_free()
        if (seat := self._open_seat(name)) is None:
            folder = self._keeper.project.folder
            # Strokes on this volume may still wait to be written.
            self.errands.ask(
                lambda _: None,
                lambda _: self.errands.start(
                    partial(loaded_from, folder, name), self._take_loaded
                ),
            )
        else:
            self._show_open(seat)

    def _open_seat(self, name: str) -> "Seat | None":
        return next((seat for seat, own in self._names.items() if own == name), None)

    def _show_open(self, seat: "Seat") -> None:
        """Go to a volume whose layers are there already: it is not opened twice."""
        link = self._desk.link
        if seat.image in self._desk.viewer.layers:
            link.choose(seat.image)
        else:
            link.bring_back(seat)
        link.annotate().mode = "paint"  # what is hidden cannot be painted on
        self._desk.viewer.fit_to_view(layers=[seat.image])
        self.refresh()

    def _show_alone(self, _image: object = None) -> None:
        """Hide the other volumes of the project, which lie in the same place."""
        seat = self._desk.link.seat
        if self._keeper is None or seat not in self._names:
            return
        for other in self._names:
            for layer in other.layers:
                layer.visible = other is seat and layer is not other.uncertainty

    def paint_over(self, values: frozenset[int] | None) -> None:
        """Let strokes on the visible volume replace these values only."""
        if self._keeper is not None and self.current:
            self._keeper.paint_over(self.current, values)

    def turn(self, action: Literal["undo", "redo"]) -> None:
        """Undo or redo the newest step, of whichever volume it is."""
        if self._keeper is not None:
            self._keeper.turn(action)

    def look(self) -> None:
        """Write what was painted since the last look."""
        if self._keeper is not None and self.current:
            is_painting = self.strokes.is_painting
            tool: Tool = self.strokes.tool if is_painting else "script"
            self._keeper.look(self.current, tool, ends=not is_painting)

    def keep_view(self) -> None:
        """Keep what the window shows, if it is something else than before."""
        if self._keeper is None or not self.current:
            return
        view = view_of(self._desk.viewer, self.current)
        if view != self._view:
            self._view = view
            self._keeper.keep(view=view)

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        """Keep the rules that predictions are cleaned up with."""
        if self._keeper is not None:
            self._keeper.keep(rules=lines)

    def close_project(self) -> None:
        """Write what is left, and let others open the project."""
        keeper, self._keeper = self._keeper, None
        self.errands.serve(None)
        if keeper is None:
            return
        if self.current:
            keeper.keep(view=view_of(self._desk.viewer, self.current))
        keeper.close()
        self._names.clear()
        self.rows = []
        self.strokes.follow(None)
        self.changed.emit()

    def close(self) -> None:
        """Close the project, and let go; calling it twice is fine."""
        with suppress(RuntimeError):  # Qt's part of this object may be gone
            self.blockSignals(True)
        self.errands.close()
        self._counting.close()
        self.close_project()
        self.strokes.close()

    def _connect(self) -> None:
        desk = self._desk
        self._heard.connect(self._on_heard)
        self._counting.done.connect(self._take_rows)
        for worker in (self.errands, self._counting):
            worker.failed.connect(self.failed)
        self.strokes.ended.connect(self._on_stroke)
        self.strokes.turned.connect(self.turn)
        desk.link.annotation_changed.connect(self._follow_layer)
        desk.link.opened.connect(self._on_opened)
        desk.classes.changed.connect(self._on_classes)
        desk.ledger.counted.connect(self._on_counted)
        desk.link.image_changed.connect(self._show_alone)

    # What comes from the user

    def _on_stroke(self, tool: "Tool") -> None:
        # napari says so before it writes some changes into the array.
        QTimer.singleShot(0, partial(self._write, self.current, tool))

    def _write(self, name: str, tool: "Tool") -> None:
        if self._keeper is not None and name:
            self._keeper.look(name, tool)

    def _on_classes(self, table: object) -> None:
        if self._keeper is not None:
            self._keeper.keep(classes=table)

    def _on_opened(self, _arrays: object) -> None:
        """Add an image to the project that the user opens while one is open."""
        seat = self._desk.link.seat
        is_known = seat is None or seat in self._names or self._is_restoring
        if self._keeper is None or seat is None or is_known:
            return
        given = self._given(seat)
        self._names[seat] = ""  # until it has a name
        self.errands.ask(
            lambda project: add(project, given),
            lambda name: self._take_added(seat, name),
        )

    def _take_added(self, seat: "Seat", name: str) -> None:
        self._follow(seat, name)
        self.told.emit(
            say(
                "{name!r} was added to the project as {own!r}.",
                name=seat.name,
                own=name,
            )
        )
        self.refresh()

    def _follow_layer(self, layer: Any) -> None:
        self.strokes.follow(layer if self._keeper is not None else None)

    # What comes from the thread

    def _begin(
        self, project: Project, seats: "Sequence[Seat]", names: "Sequence[str]"
    ) -> None:
        self.close_project()
        keeper = self._keep(project)
        for seat, name in zip(seats, names, strict=True):
            self._follow(seat, name)
        keeper.keep(classes=self._desk.classes.table)
        self._follow_layer(self._desk.link.annotation)
        self.refresh()
        self.told.emit(
            say(
                "The project is saved in {folder}. From now on every stroke is kept.",
                folder=project.folder,
            )
        )

    def _keep(self, project: Project) -> Keeper:
        self._keeper = keeper = Keeper(project, self._heard.emit)
        self.errands.serve(keeper)
        return keeper

    def _take_opened(self, found: Opened) -> None:
        project = found.project
        self._keep(project)
        if project.classes.classes:
            self._desk.classes.replace(project.classes)
        view = dict(project.view)
        if found.shown is not None:
            self._take_loaded(found.shown)
            apply_view(self._desk.viewer, view)
        for words in found.complaints:
            self.failed.emit(words)
        for words in found.notes:
            self.told.emit(words)
        self.rules.emit(Rules(project.rules))
        self._load_newest(project.models[-1:])
        self.refresh()

    def _take_loaded(self, loaded: Loaded) -> None:
        """Show a volume in the place of the one before."""
        if self._keeper is None:
            return
        link = self._desk.link
        before = link.seat
        image = Image(loaded.image, **loaded.look)
        self._is_restoring = True
        try:
            seat = link.restore(image, loaded.annotation)
        finally:
            self._is_restoring = False
        self._follow(seat, loaded.name)
        name, path = loaded.name, loaded.path
        self.errands.ask(lambda project: project.refer(name, path), lambda _: None)
        link.annotate()
        if before is not None and before in self._names:
            self._leave(before)
        for words in loaded.notes:
            self.told.emit(words)
        self.refresh()

    def _load_newest(self, models: "Sequence[ProjectModel]") -> None:
        for model in models:
            if self._desk.link.seat is not None:
                self._desk.session.load(model.path)
                self.shown.emit(model)

    def _leave(self, seat: "Seat") -> None:
        name = self._names.pop(seat)
        if self._keeper is not None and name:
            self._keeper.leave(name)
        self._desk.link.release(seat)

    def _follow(self, seat: "Seat", name: str) -> None:
        assert self._keeper is not None, "a project is open"
        self._names[seat] = name
        self._keeper.follow(name, seat.arrays.annotation)
        self._keeper.paint_over(name, self.locks.over)

    def _on_heard(self, event: Turned | Refused | Failed) -> None:
        if isinstance(event, Failed):
            self.failed.emit(event.words)
        elif isinstance(event, Refused):
            self._show_refused(event)
        else:
            self._show_turned(event)

    def _show_refused(self, event: Refused) -> None:
        if self._desk.link.annotation is not None:
            self._desk.link.annotation.refresh()
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
        layer = self._desk.link.annotation
        if event.volume == self.current and layer is not None:
            layer.refresh()
            self._desk.painter.go_to(view)
            self._desk.ledger.look()

    def refresh(self) -> None:
        """Find out what the volumes have now."""
        if self.folder is not None:
            # Counting may take seconds, in which strokes are to be written.
            self._counting.start(partial(rows_in, self.folder))

    def _on_counted(self, count: "LedgerCount | None") -> None:
        """Say what the visible volume has now; the journal has it within a second."""
        if count is None or not self.current:
            return
        rows = [
            with_ledger(row, count.ledger) if row.name == self.current else row
            for row in self.rows
        ]
        if rows != self.rows:
            self.rows = rows
            self.changed.emit()

    def _take_rows(self, rows: list[Row]) -> None:
        if self._keeper is not None:
            self.rows = rows
            self.changed.emit()

    def _given(self, seat: "Seat") -> VolumeToSave:
        facts = facts_in(seat.image.metadata)
        source = seat.image.source.path
        path = (
            facts.path if facts and facts.path else (Path(source) if source else None)
        )
        table = self._desk.classes.table
        return VolumeToSave(seat.volume, seat.arrays.annotation, table, path)
