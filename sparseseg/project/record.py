"""What `project.json` holds: a checked value, and the way from older versions to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from sparseseg.boxes import Triple
from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.atomic import replacing
from sparseseg.data.labels import SparseLabels
from sparseseg.data.units import PIXEL, Spacing
from sparseseg.errors import UserError
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.language import say
from sparseseg.project.content import Content
from sparseseg.project.guard import Slice

NAME = "project.json"
FORMAT = 1
_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older format, what makes the next one of it."""
_LONGEST = 50_000_000


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A volume of a project: where its image is, and what the project knows of it."""

    name: str
    """Unique in the project; also the name of its files in exports."""
    path: str
    """Relative to the project's folder where that is possible, with forward slashes."""
    content: Content
    modified: int
    """When the file or folder was changed last, in nanoseconds since 1970."""
    shape: Triple
    channels: int = 1
    spacing: Spacing = (1.0, 1.0, 1.0)
    unit: str = PIXEL
    locked: frozenset[tuple[int, int]] = frozenset()
    """Axis and index of the slices that nothing may change."""
    part: str = ""
    """Which part of the file or folder it is, such as the number of a series."""
    scores: tuple[SliceScore, ...] = ()
    """Of slices that were completed after they had been predicted."""
    repeats: tuple[SliceScore, ...] = ()
    """Of slices that a person painted twice: how well both times agree."""

    def with_score(self, score: SliceScore) -> "VolumeRecord":
        """Return the record with a score, in the place of an earlier one of this slice."""
        return replace(self, scores=_with(self.scores, score))

    def with_repeat(self, score: SliceScore) -> "VolumeRecord":
        """Return the record with how well a slice was painted twice."""
        return replace(self, repeats=_with(self.repeats, score))

    def locking(self, where: Slice, *, is_locked: bool) -> "VolumeRecord":
        """Return the record with a slice locked, or unlocked."""
        axis, index = where
        if axis not in range(3) or index not in range(self.shape[axis]):
            raise UserError(
                "{name!r} has no slice {index} across axis {axis}",
                name=self.name,
                index=index,
                axis=axis,
            )
        changed = self.locked | {where} if is_locked else self.locked - {where}
        return replace(self, locked=frozenset(changed))

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain lists and dicts."""
        return {
            "name": self.name,
            "path": self.path,
            "part": self.part,
            "bytes": self.content.bytes,
            "sha256": self.content.digest,
            "modified": self.modified,
            "shape": list(self.shape),
            "channels": self.channels,
            "spacing": list(self.spacing),
            "unit": self.unit,
            "locked": sorted(map(list, self.locked)),
            "scores": [score.to_json() for score in self.scores],
            "repeats": [score.to_json() for score in self.repeats],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "VolumeRecord":
        """Check and rebuild what `to_json` gave."""
        z, y, x = map(int, data["shape"])
        dz, dy, dx = map(float, data["spacing"])
        if min(z, y, x) < 1 or not all(isfinite(s) and s > 0 for s in (dz, dy, dx)):
            raise ValueError(f"shape {data['shape']} and spacing {data['spacing']}")
        return cls(
            name=checked_name(str(data["name"])),
            path=str(data["path"]),
            content=Content(int(data["bytes"]), str(data["sha256"])),
            modified=int(data["modified"]),
            shape=(z, y, x),
            channels=int(data["channels"]),
            spacing=(dz, dy, dx),
            unit=str(data["unit"]),
            locked=frozenset((int(axis), int(index)) for axis, index in data["locked"]),
            part=str(data.get("part", "")),
            scores=tuple(map(SliceScore.from_json, data.get("scores", ()))),
            repeats=tuple(map(SliceScore.from_json, data.get("repeats", ()))),
        )


def _with(scores: tuple[SliceScore, ...], score: SliceScore) -> tuple[SliceScore, ...]:
    """Return the scores with one in the place of an earlier one of its slice."""
    place = score.axis, score.index
    return (*(s for s in scores if (s.axis, s.index) != place), score)


@dataclass(frozen=True, slots=True)
class Record:
    """All that a project keeps besides images, annotations and models."""

    volumes: tuple[VolumeRecord, ...] = ()
    classes: ClassTable = field(default_factory=ClassTable)
    locked: frozenset[int] = frozenset()
    """The classes whose voxels nothing may change."""
    rules: tuple[str, ...] = ()
    """The lines that predictions are cleaned up with."""
    view: Mapping[str, Any] = field(default_factory=dict)
    """What the window showed: plain values, which the window checks itself."""

    def volume(self, name: str) -> VolumeRecord:
        """Return what is known of a volume; raise `UserError` where there is none."""
        for volume in self.volumes:
            if volume.name == name:
                return volume
        there = ", ".join(v.name for v in self.volumes) or say("none: add one")
        raise UserError(
            "the project has no volume {name!r}; its volumes: {there}",
            name=name,
            there=there,
        )

    def with_volume(self, changed: VolumeRecord) -> "Record":
        """Return the record with a volume that is new or changed."""
        known = {volume.name: volume for volume in self.volumes}
        return replace(self, volumes=tuple({**known, changed.name: changed}.values()))

    def with_classes(self, labels: SparseLabels) -> "Record":
        """Return the record with the classes that an annotation adds.

        Raises `UserError` where a number would have two names.
        """
        names = {entry.number: entry.name for entry in self.classes.classes}
        given = labels.table.classes
        added = [entry for entry in given if entry.number not in names]
        for entry in given if labels.has_names else ():
            if names.get(entry.number, entry.name) != entry.name:
                raise UserError(
                    "class {number} is {name!r} in the annotation and "
                    "{names!r} in the project: give both one name",
                    number=entry.number,
                    name=entry.name,
                    names=names[entry.number],
                )
        return replace(self, classes=ClassTable((*self.classes.classes, *added)))

    def locking_class(self, number: int, *, is_locked: bool) -> "Record":
        """Return the record with a class locked, or unlocked."""
        if number != BACKGROUND:
            self.classes[number]  # complains if there is none
        changed = self.locked | {number} if is_locked else self.locked - {number}
        return replace(self, locked=frozenset(changed))

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain lists and dicts."""
        return {
            "format": FORMAT,
            "volumes": [volume.to_json() for volume in self.volumes],
            "classes": self.classes.to_json(),
            "locked": sorted(self.locked),
            "rules": list(self.rules),
            "view": dict(self.view),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Record":
        """Check and rebuild what `to_json` gave."""
        volumes = tuple(map(VolumeRecord.from_json, data["volumes"]))
        if len({volume.name.casefold() for volume in volumes}) < len(volumes):
            raise ValueError("two volumes have one name")
        return cls(
            volumes,
            ClassTable.from_json(data["classes"]),
            frozenset(map(int, data["locked"])),
            tuple(map(str, data["rules"])),
            dict(data["view"]),
        )

    def write(self, folder: Path) -> None:
        """Write the record into a project's folder, atomically."""
        with replacing(folder / NAME) as beside:
            beside.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read the record of a project's folder; `UserError` if there is none."""
        path = folder / NAME
        if not path.is_file():
            raise UserError(
                "{folder} is no project: make one with `sparseseg project new`",
                folder=folder,
            )
        try:
            return cls.from_json(_migrated(_loaded(path), path))
        except UserError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                "{path} is damaged ({kind}: {error}): restore it from a copy",
                path=path,
                kind=type(error).__name__,
                error=error,
            ) from error


def checked_name(name: str) -> str:
    """Return a name of a volume if it can also name a file; else raise `UserError`."""
    is_plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    if not name.strip(" .") or not is_plain or len(name) > 100:
        raise UserError(
            "{name!r} cannot name a volume: take a plain name", name=name[:100]
        )
    return name


def _loaded(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LONGEST:
        raise ValueError("the file is too large")
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise TypeError("the file holds no object")
    return data


def _migrated(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the data of an older format in the current one."""
    found = int(data["format"])
    if found > FORMAT:
        raise UserError(
            "{path} has format {found}, and this sparseseg reads up to {format}: update "
            "sparseseg",
            path=path,
            found=found,
            format=FORMAT,
        )
    for version in range(found, FORMAT):
        data = _MIGRATIONS[version](data)
    return data
