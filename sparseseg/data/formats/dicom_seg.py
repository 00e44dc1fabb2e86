"""DICOM SEG: labels of a DICOM series, one segment for each class; by highdicom."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.formats import dicom_segments
from sparseseg.data.formats.format import Format
from sparseseg.data.optional import library
from sparseseg.data.units import seven_digits
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.language import say

_STORAGES = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")
_NEXT = b"\x02\x00"
"""Begins the element behind the kind of object in a file's head."""
_SHOWN = 6
"""Segments that a note names."""


def read(path: Path) -> Volume:
    """Read the binary segments of a file as labels.

    Slices at the ends without any label may be missing in the file. Where segments share
    voxels, the later segment has them, and a `Note` counts them. Raises `UserError` for
    fractions.
    """
    highdicom = library("highdicom", "DICOM SEG", "highdicom")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about single tags of others
        found = highdicom.seg.segread(path)
    if found.SegmentationType == "FRACTIONAL":
        raise UserError(
            "holds probabilities, and labels are needed: save it with binary segments"
        )
    voxels, world = _placed(found)
    described = [found.get_segment_description(n) for n in found.segment_numbers]
    labels = _numbers(described)[voxels]
    x, y, z = (seven_digits(s) for s in np.linalg.norm(world[:3, :3], axis=0))
    return Volume(
        labels[None],
        (z, y, x),
        "mm",
        affine=world,
        name=path.name,
        classes=_table(described),
        is_cropped=True,
    )


def _placed(found: Any) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return segments by their numbers, and voxels x, y, z to right, front and head.

    The slices come in the order in which a series is read: along row times column.
    """
    placed = _combined(found)
    voxels, affine = np.asarray(placed.array), placed.affine[:, [2, 1, 0, 3]]
    if np.linalg.det(affine[:3, :3]) < 0:
        voxels = voxels[::-1]
        affine[:3, 3] += affine[:3, 2] * (len(voxels) - 1)
        affine[:3, 2] *= -1
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _combined(found: Any) -> Any:
    """Return the segments in one volume, as highdicom has it."""
    try:
        return found.get_volume(combine_segments=True, dtype=np.uint16)
    except RuntimeError as error:
        if "overlap" not in str(error).lower():
            raise
    placed = found.get_volume(
        combine_segments=True, dtype=np.uint16, skip_overlap_checks=True
    )
    _say_what_is_shared(found, np.asarray(placed.array))
    return placed


def _say_what_is_shared(found: Any, voxels: NDArray[np.uint16]) -> None:
    """Say how many voxels of each segment went to a later one."""
    lost = []
    for number in found.segment_numbers:
        alone = found.get_volume(segment_numbers=[number], dtype=np.uint8)
        mask = np.asarray(alone.array)[..., 0] > 0
        count = int((mask & (voxels != number)).sum())
        if count:
            name = str(found.get_segment_description(number).SegmentLabel)
            whole = int(mask.sum())
            lost.append(
                say("{count} of {whole} of {name}", count=count, whole=whole, name=name)
            )
    shown = ", ".join(lost[:_SHOWN]) + (", …" if len(lost) > _SHOWN else "")
    warnings.warn(
        Note(
            "segments share voxels, and a voxel has one label: the later segment got "
            "them ({lost}); to keep them all, save a file for each segment",
            lost=shown,
        ),
        stacklevel=6,
    )


def _numbers(described: list[Any]) -> NDArray[np.integer[Any]]:
    """Return the number of the class by the number of the segment, 0 for none."""
    segments = [int(segment.SegmentNumber) for segment in described]
    marks = [str(segment.get("SegmentDescription", "")) for segment in described]
    matches = [dicom_segments.NUMBERED.fullmatch(mark) for mark in marks]
    numbers = [int(found[1]) for found in matches if found]
    if len(set(numbers)) < len(segments):
        numbers = segments
    table = np.zeros(max(segments) + 1, np.min_scalar_type(max(numbers)))
    table[segments] = numbers
    return table


def _table(described: list[Any]) -> ClassTable:
    """Return names and colours; none where they are not fit for a table."""
    numbers = _numbers(described)
    highdicom = library("highdicom", "DICOM SEG", "highdicom")
    classes = []
    try:
        for segment in described:
            number = int(numbers[int(segment.SegmentNumber)])
            colour = ClassTable.numbered([number]).colour_of(number)
            if stored := segment.get("RecommendedDisplayCIELabValue"):
                lab = highdicom.color.CIELabColor.from_dicom_value(list(stored))
                colour = "#{:02x}{:02x}{:02x}".format(*lab.to_rgb(clip=True))
            classes.append(LabelClass(number, str(segment.SegmentLabel), colour))
        return ClassTable(tuple(classes))
    except (UserError, ValueError):
        return ClassTable()


def _matches(_path: Path, head: bytes) -> bool:
    return head[128:132] == b"DICM" and any(uid + _NEXT in head for uid in _STORAGES)


FORMAT = Format(
    name="DICOM SEG",
    endings=(".dcm",),
    matches=_matches,
    read=read,
    write=dicom_segments.write,
    labels_only=True,
    check=dicom_segments.check,
    needs=("highdicom", "highdicom"),
)
