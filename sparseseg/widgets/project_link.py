"""The project that is open in the window: what is painted goes into its journal."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.project.keeper import Keeper
from sparseseg.project.project import Project
from sparseseg.session.events import Rules
from sparseseg.session.messages import Others
from sparseseg.widgets.errands import Errands
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.locks import Locks
from sparseseg.widgets.project_models import ProjectModels
from sparseseg.widgets.project_rows import ProjectRows
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
    report_into,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparseseg.classes import ClassTable
    from sparseseg.evaluation.slice_score import SliceScore
    from sparseseg.project.models import ProjectModel
    from sparseseg.widgets.desk import Desk
    from sparseseg.widgets.errands import Take
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
    reported = Signal(object)
    """The `Path` of a report that was written."""
    rules = Signal(object)
    """The `Rules` of a project that was opened."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk
        self._keeper: Keeper[Project] | None = None
        self._unnamed: set[Seat] = set()
        """What is being added to the project."""
        self._view: dict[str, Any] = {}
        self._is_restoring = False
        self._rows = ProjectRows()
        self.errands = Errands()
        self.locks = Locks(self)
        self.models = ProjectModels(desk, self)
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
        return "" if self._keeper is None else self._desk.history.current

    @property
    def rows(self) -> list[Row]:
        """What each volume has."""
        return self._rows.rows

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

    @property
    def repeats(self) -> "tuple[SliceScore, ...]":
        """How well slices of the volume that is shown were painted twice."""
        if self.project is None or not self.current:
            return ()
        return self.project.record_of(self.current).repeats

    def keep_repeat(self, score: "SliceScore") -> None:
        """Keep how well a slice of the volume that is shown was painted twice."""
        if name := self.current:
            self.errands.ask(
                lambda project: project.keep_repeat(name, score), lambda _: None
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
        drafted = self._desk.history.drafted()
        names = {} if drafted is None else self._desk.history.seats
        given = [
            replace(self._given(seat), drafted=names.get(seat, "")) for seat in seats
        ]
        self.errands.start(
            partial(created, folder, given, drafted),
            lambda made: self._begin(made[0], seats, made[1]),
        )

    def open(self, folder: Path) -> None:
        """Open a project with its volume, annotation, classes, model, rules and view.

        A project that is open stays so until the other one could be read; then its volumes
        go, because all of them is in its journal.
        """
        self._desk.link.check_free()
        if self.folder is not None and folder.absolute() == self.folder.absolute():
            self.told.emit(say("The project {name} is open already.", name=folder.name))
            return
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
            self._after_strokes(partial(loaded_from, folder, name), self._take_loaded)
        else:
            self._show_open(seat)

    def _open_seat(self, name: str) -> "Seat | None":
        seats = self._desk.history.seats
        return next((seat for seat, own in seats.items() if own == name), None)

    def _show_open(self, seat: "Seat") -> None:
        """Go to a volume whose layers are there already: it is not opened twice."""
        link = self._desk.link
        if seat.image in self._desk.viewer.layers:
            link.choose(seat.image)
        else:
            link.bring_back(seat)
        link.annotate().mode = "paint"  # what is hidden cannot be painted on
        self.refresh()

    def _show_alone(self, _image: object = None) -> None:
        """Hide the other volumes of the project, which lie in the same place."""
        seat, seats = self._desk.link.seat, self._desk.history.seats
        if self._keeper is None or seat not in seats:
            return
        for other in seats:
            for layer in other.layers:
                layer.visible = other is seat and layer is not other.uncertainty

    def paint_over(self, values: frozenset[int] | None) -> None:
        """Let strokes on all volumes that are open replace these values only."""
        if self._keeper is not None:
            for name in self._desk.history.seats.values():
                self._keeper.paint_over(name, values)

    def report(self, path: Path) -> None:
        """Write the report of the project into a file, with all that is painted."""
        if (folder := self.folder) is not None:
            self._after_strokes(
                partial(report_into, folder, path), lambda _: self.reported.emit(path)
            )

    def _after_strokes(self, work: "Callable[[], Any]", take: "Take") -> None:
        """Do work beside the journal, once it has the strokes that wait to be written."""
        self.errands.ask(lambda _: None, lambda _: self.errands.start(work, take))

    def keep_view(self) -> None:
        """Keep what the window shows, if it is something else than before."""
        if self._keeper is None or not self.current:
            return
        view = view_of(self._desk.viewer, self.current)
        if view != self._view:
            self._view = view
            self._keeper.do(lambda project: project.keep(view=view))

    def keep_rules(self, lines: tuple[str, ...]) -> None:
        """Keep the rules that predictions are cleaned up with."""
        if self._keeper is not None:
            self._keeper.do(lambda project: project.keep(rules=lines))

    def close_project(self) -> None:
        """Write what is left, and let others open the project."""
        if self._keeper is None:
            return
        self.keep_view()
        self._keeper = None
        self.errands.serve(None)
        self._desk.history.begin_draft()
        self._rows.clear()
        self.changed.emit()

    def close(self) -> None:
        """Close the project, and let go; calling it twice is fine."""
        with suppress(RuntimeError):  # Qt's part of this object may be gone
            self.blockSignals(True)
        self.errands.close()
        self._rows.close()
        self.keep_view()

    def _connect(self) -> None:
        desk = self._desk
        self._rows.changed.connect(self.changed)
        for worker in (self.errands, self._rows):
            worker.failed.connect(self.failed)
        desk.history.told.connect(self.told)
        desk.history.failed.connect(self.failed)
        desk.link.opened.connect(self._on_opened)
        desk.classes.changed.connect(self._on_classes)
        desk.ledger.counted.connect(self._on_counted)
        desk.link.image_changed.connect(self._show_alone)

    # What comes from the user

    def _on_classes(self, table: "ClassTable") -> None:
        if self._keeper is not None:
            self._keeper.do(lambda project: project.keep(classes=table))

    def _on_opened(self, _arrays: object) -> None:
        """Add an image to the project that the user opens while one is open."""
        seat = self._desk.link.seat
        if self._keeper is None or seat is None or self._is_restoring:
            return
        if seat in self._desk.history.seats or seat in self._unnamed:
            return
        given = self._given(seat)
        self._unnamed.add(seat)
        self.errands.ask(
            lambda project: add(project, given),
            lambda name: self._take_added(seat, name),
            give_up=lambda: self._unnamed.discard(seat),
        )

    def _take_added(self, seat: "Seat", name: str) -> None:
        self._unnamed.discard(seat)
        self._follow(seat, name)
        self.told.emit(
            say(
                "{name!r} was added to the project as {own!r}.",
                name=seat.name,
                own=name,
            )
        )
        self.refresh()

    # What comes from the thread

    def _begin(
        self, project: Project, seats: "Sequence[Seat]", names: "Sequence[str]"
    ) -> None:
        keeper = self._keep(project)
        for seat, name in zip(seats, names, strict=True):
            self._follow(seat, name)
        keeper.do(partial(Project.keep, classes=self._desk.classes.table))
        self.refresh()
        self.told.emit(
            say(
                "The project is saved in {folder}. From now on every stroke is kept.",
                folder=project.folder,
            )
        )

    def _keep(self, project: Project) -> Keeper[Project]:
        self._keeper = keeper = self._desk.history.serve(project)
        self._unnamed.clear()
        self.errands.serve(keeper)
        return keeper

    def _take_opened(self, found: Opened) -> None:
        try:
            self._desk.link.check_free()  # a training may have begun meanwhile
        except UserError:
            found.project.close()
            raise
        view, before = dict(found.project.view), self._keeper
        leaving = list(self._desk.history.seats) if before is not None else []
        self.close_project()
        self._keep(found.project)
        if found.project.classes.classes:
            self._desk.classes.replace(found.project.classes)
        if found.shown is not None:
            self._take_loaded(found.shown)
        self._release(leaving)
        if found.shown is not None:
            apply_view(self._desk.viewer, view)
        self._tell_opened(found)
        self._load_newest(found.project.models[-1:])
        self.refresh()

    def _release(self, seats: "Sequence[Seat]") -> None:
        """Take the layers of a project away that was open before."""
        for seat in seats:
            if seat in self._desk.link.seats:  # the user may have removed it
                self._desk.link.release(seat)

    def _tell_opened(self, found: Opened) -> None:
        for words in found.complaints:
            self.failed.emit(words)
        for words in found.notes:
            self.told.emit(words)
        self.rules.emit(Rules(found.project.rules))

    def _take_loaded(self, loaded: Loaded) -> None:
        """Show a volume in the place of the one before."""
        if self._keeper is None:
            return
        link = self._desk.link
        link.check_free()  # a training may have begun meanwhile
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
        if before is not None and before in self._desk.history.seats:
            self._desk.history.leave(before)
            link.release(before)
        for words in loaded.notes:
            self.told.emit(words)
        self.refresh()

    def _load_newest(self, models: "Sequence[ProjectModel]") -> None:
        for model in models:
            if self._desk.link.seat is not None:
                self._desk.session.load(model.path)
                self.shown.emit(model)

    def _follow(self, seat: "Seat", name: str) -> None:
        assert self._keeper is not None, "a project is open"
        self._desk.history.follow(seat, name)
        self._keeper.paint_over(name, self.locks.over)

    def refresh(self) -> None:
        """Find out what the volumes have now."""
        if self.folder is not None:
            self._rows.count(self.folder)

    def _on_counted(self, count: "LedgerCount | None") -> None:
        if count is not None and self.current:
            self._rows.update(self.current, count.ledger)

    def _given(self, seat: "Seat") -> VolumeToSave:
        facts = facts_in(seat.image.metadata)
        source = seat.image.source.path
        path = (
            facts.path if facts and facts.path else (Path(source) if source else None)
        )
        table = self._desk.classes.table
        return VolumeToSave(seat.volume, seat.arrays.annotation, table, path)
