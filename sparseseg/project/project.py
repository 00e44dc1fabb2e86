"""A project: one folder with all that belongs to a piece of segmentation work."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.atomic import make_folder
from sparseseg.data.files import FilePath, open_volume, read_annotation, write_image
from sparseseg.data.formats import stem_of
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import IN_MEMORY
from sparseseg.data.parts import joined, split_part
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.language import say
from sparseseg.project import images, models, record
from sparseseg.project.content import Content
from sparseseg.project.entries import START
from sparseseg.project.guard import Guard, Slice
from sparseseg.project.images import Located
from sparseseg.project.info import info_of
from sparseseg.project.journal import Journal
from sparseseg.project.lock import FolderLock, user_name
from sparseseg.project.models import Curve, ProjectModel
from sparseseg.project.naming import name_for, plain
from sparseseg.project.record import Record, VolumeRecord
from sparseseg.project.recorder import Recorder

JOURNAL = "journal.sqlite"


class Project:
    """Open a project for work; `Project.new` makes one.

    One process at a time may have it open, unless `read_only`. Raises `UserError` for a
    folder that is no project, and while another process has it open.
    """

    def __init__(self, folder: FilePath, *, read_only: bool = False) -> None:
        self.folder = Path(folder)
        self.read_only = read_only
        # Before a lock is written into a folder of another kind.
        Record.read(self.folder)
        self._lock = None if read_only else FolderLock(self.folder)
        try:
            self._record = Record.read(self.folder)
            self.journal = self._opened_journal()
            if not read_only:
                models.remove_unfinished(self.folder)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    @classmethod
    def new(cls, folder: FilePath) -> Self:
        """Make an empty project in a folder that is missing or empty."""
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(
                "{path} is not an empty folder: give the name of a new folder",
                path=path,
            )
        make_folder(path)
        Record().write(path)
        Journal(path / JOURNAL).close()
        return cls(path)

    @property
    def volumes(self) -> tuple[VolumeRecord, ...]:
        """The volumes, in the order in which they were added."""
        return self._record.volumes

    @property
    def classes(self) -> ClassTable:
        """The one class table of all volumes."""
        return self._record.classes

    @property
    def rules(self) -> tuple[str, ...]:
        """The lines that predictions are cleaned up with."""
        return self._record.rules

    @property
    def view(self) -> Mapping[str, Any]:
        """What the window showed, as plain values."""
        return self._record.view

    @property
    def models(self) -> tuple[ProjectModel, ...]:
        """The models, the newest last."""
        return models.models_in(self.folder)

    def add(
        self,
        image: FilePath,
        *,
        annotation: FilePath | None = None,
        copy: bool = False,
        unlabelled: int = UNLABELLED,
        background: int = BACKGROUND,
    ) -> VolumeRecord:
        """Add a volume by its file, with its annotation if there is one.

        The image stays where it is, unless `copy` puts it into the project. `unlabelled`
        and `background` are the values of the annotation's file. The annotation of an
        image that is there becomes the one given, in one step that can be undone.
        """
        volume = open_volume(image, at_most=IN_MEMORY)
        labels = None
        if annotation is not None:
            labels = read_annotation(
                annotation, unlabelled=unlabelled, background=background, like=volume
            )
            self._record.with_classes(labels)  # complains before anything is copied
        source, part = split_part(image)
        known = self._with_content(Content.of(source), part)
        if known is not None:
            if labels is None:
                raise UserError(
                    "{image} is in the project already, as {name!r}: add another image, "
                    "or an annotation for it",
                    image=image,
                    name=known.name,
                )
            return self._annotated(known, labels)
        name = self._free_name(name_for(source, part), is_own=copy)
        if not copy:
            return self._added(name, joined(source, part), volume, labels)
        path = images.copied(self.folder, source, name)
        with images.removed_on_failure(path):
            return self._added(name, joined(path, part), volume, labels)

    def add_volume(
        self,
        volume: Volume,
        labels: SparseLabels | None = None,
        *,
        path: Path | None = None,
    ) -> VolumeRecord:
        """Add a volume that is in memory, with its annotation if there is one.

        `path` is the file that holds the same voxels; without one they are written into
        the project. A name that no volume can have is made plain.
        """
        wanted = plain(stem_of(Path(volume.name)))
        name = self._free_name(wanted, is_own=path is None)
        if path is not None:
            return self._added(name, path, volume, labels)
        path = self.folder / images.COPIES / f"{name}.tif"
        write_image(path, np.asarray(volume.array), like=volume)
        with images.removed_on_failure(path):
            return self._added(name, path, volume, labels)

    def record_of(self, name: str) -> VolumeRecord:
        """Return what the project knows of a volume."""
        return self._record.volume(name)

    def locate(self, name: str) -> Located:
        """Find the image of a volume, also where it was moved or renamed."""
        return images.locate(self.folder, self.record_of(name))

    def volume(self, name: str) -> Volume:
        """Read the image of a volume, with the voxel size that the project has for it.

        A `Note` says so where the image was moved. Raises `UserError` where it is gone,
        or where another image has taken its place.
        """
        known = self.record_of(name)
        located = images.found(self.folder, known)
        if located.state != "changed" and not self.read_only:
            self._keep_place(known, located.path)
        return images.opened(located, known)

    def refer(self, name: str, path: Path) -> None:
        """Look for the image of a volume at another place from now on."""
        known = self.record_of(name)
        if images.relative(self.folder, path) != known.path:
            self._keep_place(known, path)

    def frame(self, name: str) -> Volume:
        """Return the volume of a name, to write labels like it.

        Where its image is gone, or is another one now, it has zeros, and the shape and
        the voxel size that the project knows; a `Note` says so.
        """
        try:
            return self.volume(name)
        except UserError as error:
            words = say(
                "{error}; until then its labels have no orientation", error=error
            )
            warnings.warn(words, Note, stacklevel=2)
        known = self.record_of(name)
        empty = np.broadcast_to(np.uint8(0), (1, *known.shape))
        return Volume(empty, known.spacing, known.unit, name=name)

    def annotation(self, name: str) -> NDArray[np.uint8]:
        """Return the annotation of a volume as it is now, axes z, y, x."""
        known = self.record_of(name)
        if self.journal.shape(name) != known.shape:
            raise UserError(
                "the journal has another shape for {name!r} than {record_name}: restore "
                "both from one copy",
                name=name,
                record_name=record.NAME,
            )
        return self.journal.annotation(name)

    def labels(self, name: str) -> SparseLabels:
        """Return the annotation of a volume with the classes of the project."""
        return SparseLabels(self.annotation(name), table=self._table_or_none)

    def cases(self, names: Iterable[str] = ()) -> list[tuple[Volume, SparseLabels]]:
        """Return volumes with their annotations to train on: those named, or all annotated.

        Raises `UserError` if none is annotated.
        """
        wanted = list(names) or [volume.name for volume in self.volumes]
        labelled = {name: self.labels(name) for name in wanted}
        found = [name for name, labels in labelled.items() if labels.array.any()]
        if not found:
            raise UserError(
                "no volume of {folder} is annotated: add an annotation, or paint one",
                folder=self.folder,
            )
        return [(self.volume(name), labelled[name]) for name in found]

    def recorder(self, name: str, array: NDArray[np.uint8]) -> Recorder:
        """Keep the journal of an array that is painted on; it may differ already."""
        return Recorder(self.journal, name, array, guard=lambda: self.guard(name))

    @property
    def locked(self) -> frozenset[int]:
        """The classes that neither lose nor gain a voxel."""
        return self._record.locked

    def guard(self, name: str) -> Guard:
        """Return what may not be changed on the annotation of a volume."""
        return Guard(self.locked, self.record_of(name).locked)

    def lock_class(self, number: int, *, is_locked: bool = True) -> None:
        """Lock a class, in all volumes, or unlock it."""
        self._keep(self._record.locking_class(number, is_locked=is_locked))

    def lock_slice(self, name: str, where: Slice, *, is_locked: bool = True) -> None:
        """Lock a slice of a volume, or unlock it."""
        changed = self.record_of(name).locking(where, is_locked=is_locked)
        self._keep(self._record.with_volume(changed))

    def keep_score(self, name: str, score: SliceScore) -> None:
        """Keep how a slice of a volume was predicted before it was annotated."""
        known = self.record_of(name)
        self._keep(self._record.with_volume(known.with_score(score)))

    def keep_repeat(self, name: str, score: SliceScore) -> None:
        """Keep how well a slice of a volume was painted a second time."""
        known = self.record_of(name)
        self._keep(self._record.with_volume(known.with_repeat(score)))

    def keep(
        self,
        *,
        classes: ClassTable | None = None,
        rules: tuple[str, ...] | None = None,
        view: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep what is given in place of what was there."""
        given = {"classes": classes, "rules": rules, "view": view}
        changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        self._keep(replace(self._record, **changes))

    def next_model(self) -> Path:
        """Return the file to save the next model in."""
        return models.next_path(self.folder)

    def describe_model(
        self,
        path: Path,
        volumes: Iterable[str],
        curves: Mapping[str, Curve] | None = None,
    ) -> None:
        """Keep what a saved model was trained on, and its curves."""
        models.describe(path, tuple(volumes), curves or {})

    def replay(self, name: str) -> NDArray[np.uint8]:
        """Return an annotation made again from the first entry of its journal."""
        self.record_of(name)
        return self.journal.replay(name)

    def info(self) -> dict[str, Any]:
        """Return volumes, slices, classes, models and scores as plain values."""
        return info_of(self)

    def close(self) -> None:
        """Let others open the project; calling it twice is fine."""
        self.journal.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _table_or_none(self) -> ClassTable | None:
        return self.classes if self.classes.classes else None

    def _opened_journal(self) -> Journal:
        path = self.folder / JOURNAL
        if not path.exists():
            raise UserError(
                "the journal {path} is missing, and with it all annotations: restore it "
                "from a copy",
                path=path,
            )
        return Journal(path, author=user_name(), read_only=self.read_only)

    def _keep(self, changed: Record) -> None:
        if self.read_only:
            raise UserError(
                "{folder} was opened to read only: open it for work", folder=self.folder
            )
        changed.write(self.folder)
        self._record = changed

    def _keep_place(self, known: VolumeRecord, path: Path) -> None:
        """Keep where an unchanged image is, and its date, so that it is not read again."""
        place, date = images.relative(self.folder, path), images.modified(path)
        seen = replace(known, path=place, modified=date)
        if seen != known:
            self._keep(self._record.with_volume(seen))

    def _added(
        self, name: str, source: Path, volume: Volume, labels: SparseLabels | None
    ) -> VolumeRecord:
        """Keep a volume; its annotation is the first entry of its journal."""
        path, part = split_part(source)
        added = VolumeRecord(
            name,
            images.relative(self.folder, path),
            Content.of(path),
            images.modified(path),
            volume.shape,
            volume.channels,
            volume.spacing,
            volume.unit,
            part=part,
        )
        changed = self._record.with_volume(added)
        if labels is not None:
            changed = changed.with_classes(labels)
        self.journal.add_volume(name, volume.shape)
        if labels is not None:
            Recorder(self.journal, name, labels.array).record("import", step=START)
        self._keep(changed)
        return added

    def _annotated(self, known: VolumeRecord, labels: SparseLabels) -> VolumeRecord:
        """Take an annotation for a volume that is there; what is locked stays."""
        changed = self._record.with_classes(labels)
        found = self.recorder(known.name, labels.array).record("import")
        if found.refused:
            words = say(
                "{count} voxels of {name!r} stay as they were: {reason}",
                count=found.refused,
                name=known.name,
                reason=found.reason,
            )
            warnings.warn(words, Note, stacklevel=3)
        self._keep(changed)
        return known

    def _with_content(self, content: Content, part: str) -> VolumeRecord | None:
        alike = (v for v in self.volumes if (v.content, v.part) == (content, part))
        return next(alike, None)

    def _free_name(self, wanted: str, *, is_own: bool) -> str:
        """Return a name that no volume has, nor an image in the project if it `is_own`."""
        # The journal may have a volume that was being added when its process ended.
        known = self.journal.volumes()
        files = images.own_names(self.folder) if is_own else []
        taken = {name.casefold() for name in (*known, *files)}
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}-{number}"
        return record.checked_name(name)
