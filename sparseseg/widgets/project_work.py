"""The slow parts of opening and making a project, free of Qt: they run in a thread."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.files import read
from sparseseg.data.labels import SparseLabels
from sparseseg.errors import UserError
from sparseseg.project.project import Project
from sparseseg.project.report import write_report
from sparseseg.widgets.noting import noting
from sparseseg.widgets.readers import layer_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from sparseseg.data.labels import Ledger
    from sparseseg.data.volume import Volume
    from sparseseg.project.journal import Journal


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A volume of a project, as the window needs it."""

    name: str
    image: Any
    """The array and the keywords of its image layer."""
    look: Mapping[str, Any]
    annotation: "NDArray[np.uint8]"
    path: Path
    """The file in which the image was found."""
    notes: Sequence[str] = ()
    """What was decided for the user, or found out."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A project that was opened, with the volume that it showed."""

    project: Project
    shown: Loaded | None
    complaints: Sequence[str] = ()
    """Why volumes before it could not be read."""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What a project has of a volume, for a list."""

    name: str
    slices: int
    complete: int
    classes: int
    state: str
    score: float | None


def load(project: Project, name: str) -> Loaded:
    """Read a volume and its annotation."""
    with noting() as notes:
        volume = project.volume(name)
    plain = replace(volume, classes=ClassTable())
    located = project.locate(name)
    data, look, _ = layer_of(plain, located.source)
    look = {k: v for k, v in look.items() if k != "colormap"} | {"name": name}
    return Loaded(name, data, look, project.annotation(name), located.path, notes)


def loaded_from(folder: Path, name: str) -> Loaded:
    """Read a volume of a project that is open elsewhere in this window."""
    with Project(folder, read_only=True) as project:
        return load(project, name)


def opened(folder: Path) -> Opened:
    """Open a project and the volume that was shown last, or the first one."""
    with noting() as notes:
        project = Project(folder)
    try:
        names = [volume.name for volume in project.volumes]
        wanted = project.view.get("volume")
        order = sorted(names, key=lambda name: name != wanted)
        return replace(_with_first(project, order), notes=notes)
    except BaseException:
        project.close()
        raise


def _with_first(project: Project, names: Sequence[str]) -> Opened:
    """Return a project with the first of some volumes that can be read."""
    complaints: list[str] = []
    for name in names:
        try:
            return Opened(project, load(project, name), complaints)
        except UserError as error:
            complaints.append(str(error))
    return Opened(project, None, complaints)


def created(
    folder: Path,
    volumes: "Sequence[VolumeToSave]",
    drafted: "Future[Journal] | None" = None,
) -> tuple[Project, list[str]]:
    """Make a project of volumes, with what a draft has of them; return their names too."""
    project = Project.new(folder)
    try:
        names = [add(project, given) for given in volumes]
        if drafted is not None:
            pairs = zip(volumes, names, strict=True)
            taken = {given.drafted: name for given, name in pairs if given.drafted}
            project.journal.take_over(drafted.result(), taken)
        return project, names
    except BaseException:
        project.close()
        shutil.rmtree(folder, ignore_errors=True)  # it was empty, or not there
        raise


@dataclass(frozen=True, slots=True, eq=False)
class VolumeToSave:
    """A volume that is open in the window."""

    volume: "Volume"
    annotation: "NDArray[np.uint8]"
    table: ClassTable
    path: Path | None
    """The file that it came from, as far as that is known."""
    drafted: str = ""
    """Its name in the draft that has the strokes of its annotation, if there is one."""


def add(project: Project, given: VolumeToSave) -> str:
    """Add a volume to a project, by its file if that holds the same voxels."""
    path = given.path
    if path is not None and not _holds(path, given.volume):
        path = None
    if given.drafted:
        added = project.add_volume(given.volume, path=path)
        project.keep(classes=given.table)
        return added.name
    used = {int(value) for value in np.unique(given.annotation)}
    known = tuple(c for c in given.table.classes if c.number in used)
    labels = SparseLabels(given.annotation.copy(), table=ClassTable(known))
    return project.add_volume(given.volume, labels, path=path).name


def report_into(folder: Path, path: Path) -> None:
    """Write the report of a project; it may be open elsewhere."""
    with Project(folder, read_only=True) as project:
        write_report(project, path)


def rows_in(folder: Path) -> list[Row]:
    """Return what a project has of each volume; it may be open elsewhere."""
    with Project(folder, read_only=True) as project:
        return _rows_of(project)


def _rows_of(project: Project) -> list[Row]:
    newest: dict[str, float | None] = {}
    for model in project.models:
        newest |= dict.fromkeys(model.volumes, model.score)
    return [
        _row(project, volume.name, newest.get(volume.name))
        for volume in project.volumes
    ]


def _row(project: Project, name: str, score: float | None) -> Row:
    labels = project.labels(name)
    slices = labels.slices()
    complete = sum(found.complete for found in slices)
    state = project.locate(name).state
    return Row(name, len(slices), complete, len(labels.numbers()), state, score)


def with_ledger(row: Row, ledger: "Ledger") -> Row:
    """Return a row with what is annotated now."""
    complete = sum(found.complete for found in ledger.slices)
    classes = len(set(ledger.counts) - {BACKGROUND})
    return replace(row, slices=len(ledger.slices), complete=complete, classes=classes)


def _holds(path: Path, volume: "Volume") -> bool:
    try:
        return bool(np.array_equal(read(path).array, volume.array))
    except UserError:
        return False
