"""DICOM series in a folder: which there are, which one is meant, and its planes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparseseg.data.formats.dicom_planes import Plane
from sparseseg.data.optional import library
from sparseseg.errors import UserError
from sparseseg.language import say, template

_MARK, _MARK_AT = b"DICM", 128
_LOOKED_AT = 200
"""Files that are opened to tell whether a folder holds DICOM."""
_LISTED = 8
_ENHANCED = "PerFrameFunctionalGroupsSequence"


@dataclass(frozen=True, slots=True)
class Series:
    """The image files of one series, as headers without pixels."""

    uid: str
    number: str
    headers: tuple[tuple[Path, Any], ...]

    @property
    def patient(self) -> str:
        """The patient's identity, or "?"."""
        return _word(self.headers[0][1], "PatientID") or "?"

    def planes(self) -> list[Plane]:
        """Return all slices; `UserError` for what is no stack of grey slices."""
        patients = sorted({_word(header, "PatientID") for _, header in self.headers})
        if len(patients) > 1:
            raise UserError(
                "mixes {count} patients in one series "
                "({patients}): sort the files by patient",
                count=len(patients),
                patients=", ".join(patients),
            )
        return [plane for path, header in self.headers for plane in _of(path, header)]

    def __str__(self) -> str:
        header = self.headers[0][1]
        words = _word(header, "SeriesDescription") or _word(header, "Modality")
        count = sum(int(h.get("NumberOfFrames") or 1) for _, h in self.headers)
        return say(
            "({words}, {count} slices, patient {patient})",
            words=words,
            count=count,
            patient=self.patient,
        )


def is_dicom(path: Path) -> bool:
    """Tell whether a file carries DICOM's mark."""
    with path.open("rb") as file:
        return file.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK


def holds_dicom(folder: Path) -> bool:
    """Tell whether one of a folder's first files is DICOM."""
    for count, path in enumerate(_files(folder)):
        if is_dicom(path):
            return True
        if count == _LOOKED_AT:
            break
    return False


def chosen(path: Path, part: str) -> Series:
    """Return the series of a file or folder that a part names by number or UID.

    Raises `UserError`, with all series and how to name one, where this is not one.
    """
    found = _all_series(path)
    if not found:
        raise UserError("holds no DICOM images: give the folder of the slices")
    names = _names(found)
    fitting = [s for s, name in zip(found, names, strict=True) if part in (name, s.uid)]
    if not part and len(found) == 1:
        fitting = found
    if len(fitting) == 1:
        return fitting[0]
    raise _ask(path, part, found, names)


def _ask(path: Path, part: str, found: list[Series], names: list[str]) -> UserError:
    listed = [f"{n} {s}" for n, s in zip(names, found, strict=True)]
    rest = (
        [say("and {count} more", count=len(listed) - _LISTED)]
        if len(listed) > _LISTED
        else []
    )
    patients = sorted({series.patient for series in found})
    count = say("{count} series", count=len(found))
    if len(patients) > 1:
        count = say(
            "{count} series of {patients} patients",
            count=len(found),
            patients=len(patients),
        )
    words = template(
        "has no series {part!r}, but {count}: {listed}; add the name of one, such as "
        "'{path}#{name}'"
    )
    if not part:
        words = template(
            "holds {count}: {listed}; add the name of one, such as '{path}#{name}'"
        )
    listing = "; ".join(listed[:_LISTED] + rest)
    return UserError(
        words, part=part, count=count, listed=listing, path=path, name=names[0]
    )


def _names(found: list[Series]) -> list[str]:
    """Return the shortest name of each series: its number if no other has it."""
    numbers = [series.number for series in found]
    return [
        s.number if s.number and numbers.count(s.number) == 1 else s.uid for s in found
    ]


def _all_series(path: Path) -> list[Series]:
    groups: dict[str, list[tuple[Path, Any]]] = {}
    for file in _files(path) if path.is_dir() else iter([path]):
        if is_dicom(file) and (header := _header(file)) is not None:
            groups.setdefault(_word(header, "SeriesInstanceUID"), []).append(
                (file, header)
            )
    return [
        Series(uid, _word(headers[0][1], "SeriesNumber"), tuple(headers))
        for uid, headers in groups.items()
    ]


def _files(folder: Path) -> Iterator[Path]:
    """Give all files below a folder in order; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _header(path: Path) -> Any:
    """Return a file's header, or None for what is no image, such as a report."""
    pydicom = library("pydicom", "DICOM", "pydicom")
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except Exception as error:
        raise UserError(
            "holds {name}, which is damaged: {error}", name=path.name, error=error
        ) from error
    storage = _storage(header)
    is_image = "Rows" in header and "Columns" in header
    if not storage or ("Image" in storage and not is_image):
        raise UserError(
            "holds {name}, which is cut short: copy it again", name=path.name
        )
    return header if is_image and header.get("Modality") != "SEG" else None


def _storage(header: Any) -> str:
    """Return what kind of object a file says it is, such as "CT Image Storage"."""
    meta = getattr(header, "file_meta", {})
    uid = header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    return "" if uid is None else str(uid.name)


def _of(path: Path, header: Any) -> list[Plane]:
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise UserError(
            "holds colour pictures ({name} is {word}): export one grey channel",
            name=path.name,
            word=_word(header, "PhotometricInterpretation"),
        )
    if int(header.get("NumberOfFrames") or 1) == 1 and _ENHANCED not in header:
        return [_plane(path, None, header, [header])]
    if _ENHANCED not in header:
        raise UserError(
            "holds {name} with {frames} frames, and the file does "
            "not say where they lie: export it as a series of slices or as enhanced DICOM",
            name=path.name,
            frames=header.NumberOfFrames,
        )
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    return [
        _plane(path, index, header, [*_groups(frame), *_groups(*shared)])
        for index, frame in enumerate(header.PerFrameFunctionalGroupsSequence)
    ]


def _groups(*holders: Any) -> list[Any]:
    """Return the items of all sequences of a frame: each holds some of its values."""
    return [
        item
        for holder in holders
        for element in holder
        if element.VR == "SQ"
        for item in element.value
    ]


def _plane(path: Path, frame: int | None, header: Any, groups: list[Any]) -> Plane:
    position = _numbers(path, groups, "ImagePositionPatient", 3)
    y, x = _numbers(path, groups, "PixelSpacing", 2)
    slope, intercept = (
        float(next((g.get(word) for g in groups if g.get(word) is not None), usual))
        for word, usual in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    return Plane(
        path,
        frame,
        (int(header.Rows), int(header.Columns)),
        (y, x),
        _numbers(path, groups, "ImageOrientationPatient", 6),
        (position[0], position[1], position[2]),
        (slope, intercept),
    )


def _numbers(path: Path, groups: list[Any], word: str, count: int) -> tuple[float, ...]:
    value = next((g.get(word) for g in groups if g.get(word) is not None), None)
    if value is None or len(value) != count:
        raise UserError(
            "holds {name} without {word}, so it is not known how its slices lie: "
            "export the series from the scanner or archive again",
            name=path.name,
            word=word,
        )
    return tuple(map(float, value))


def _word(header: Any, name: str) -> str:
    value = header.get(name)
    return "" if value is None else str(value).strip()
