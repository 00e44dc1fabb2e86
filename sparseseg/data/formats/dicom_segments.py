"""Labels of a DICOM series as a DICOM SEG object, which refers to its slices."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sparseseg
from sparseseg.classes import PALETTE, ClassTable
from sparseseg.data.formats.dicom_planes import Plane, in_order
from sparseseg.data.formats.dicom_series import chosen
from sparseseg.data.optional import library
from sparseseg.data.parts import split_part
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say

NUMBERED = re.compile(r"sparseseg class (\d{1,9})")
"""How the description of a segment holds the number of its class."""
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
_SEGMENTS = 255
_LONGEST_LABEL = 64
_UTF8 = "ISO_IR 192"
_LATER = 1000
"""Is added to the number of the series, to list the result behind it."""


def check(like: Volume) -> None:
    """Raise `UserError` where labels of a volume cannot be written, before they exist."""
    mark = np.zeros(like.shape, np.uint8)
    mark[0, 0, 0] = 1
    _made(mark, like)


def write(path: Path, array: NDArray[Any], like: Volume) -> None:
    """Write a 1, z, y, x array of labels as one binary segment for each number in it."""
    made = _made(np.asarray(array[0]), like)
    made.save_as(path)


def _made(labels: NDArray[Any], like: Volume) -> Any:
    """Return the object to be saved; `UserError` where it cannot be made."""
    highdicom = library("highdicom", "DICOM SEG", "highdicom")
    planes, headers = _sources(like)
    numbers = [int(n) for n in np.unique(labels) if n] or [1]
    _check_numbers(numbers)
    header = headers[0]
    with _as_one_sentence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about single tags of others
        return highdicom.seg.Segmentation(
            source_images=headers,
            pixel_array=_by_frame(_segments(labels, numbers), planes),
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(numbers, like.classes),
            series_instance_uid=highdicom.UID(),
            series_number=int(header.get("SeriesNumber") or 0) + _LATER,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="sparseseg developers",
            manufacturer_model_name="sparseseg",
            software_versions=sparseseg.__version__,
            device_serial_number="1",
            series_description="segmentation",
            specific_character_set=_UTF8,
        )


def _sources(like: Volume) -> tuple[list[Plane], list[Any]]:
    """Return the planes of the series in order, and the header of each of its files."""
    if not like.origin:
        raise UserError(
            "DICOM SEG belongs to a DICOM series, and {name} comes from none: write "
            "NIfTI, such as x.nii.gz",
            name=like.name or say("the image"),
        )
    place, part = split_part(like.origin)
    if not place.exists():
        raise UserError(
            "DICOM SEG refers to the slices of {place}, and these are gone: bring them "
            "back, or write NIfTI, such as x.nii.gz",
            place=like.origin,
        )
    series = chosen(place, part)
    planes = in_order(series.planes())
    by_path = dict(series.headers)
    headers = [by_path[path] for path in dict.fromkeys(plane.path for plane in planes)]
    is_mixed = len(headers) > 1 and any(plane.frame is not None for plane in planes)
    if is_mixed or (len(planes), *planes[0].size) != like.shape:
        raise UserError(
            "DICOM SEG refers to the slices of {place}, and these are not the ones of "
            "the labels: write NIfTI, such as x.nii.gz",
            place=like.origin,
        )
    _complete(headers, like)
    return planes, headers


def _complete(headers: list[Any], like: Volume) -> None:
    """Check the tags that a reference needs, and add those that may be empty."""
    missing = [word for word in _NEEDED if not headers[0].get(word)]
    if missing:
        raise UserError(
            "DICOM SEG refers to the slices of a series, and these have no {missing}: "
            "write NIfTI, such as x.nii.gz",
            missing=", ".join(missing),
        )
    for header in headers:
        for word in _MAY_BE_EMPTY:
            if word not in header:
                setattr(header, word, None)
        for item in (header, *_shared_measures(header)):
            item.SliceThickness = item.get("SliceThickness") or like.spacing[0]
        # These differ by no more than the rounding that reading them allows.
        if "ImageOrientationPatient" in header:
            header.ImageOrientationPatient = headers[0].ImageOrientationPatient


def _shared_measures(header: Any) -> list[Any]:
    """Return where an enhanced file holds the sizes that all its frames share."""
    groups = header.get("SharedFunctionalGroupsSequence") or []
    return [m for group in groups for m in group.get("PixelMeasuresSequence") or []]


def _check_numbers(numbers: list[int]) -> None:
    if len(numbers) > _SEGMENTS:
        raise UserError(
            "DICOM SEG is written with at most {most} classes, and there are {count}: "
            "write NIfTI, such as x.nii.gz",
            most=_SEGMENTS,
            count=len(numbers),
        )


def _segments(labels: NDArray[Any], numbers: list[int]) -> NDArray[np.uint8]:
    """Return labels as the numbers of segments, which run from 1."""
    if numbers == list(range(1, len(numbers) + 1)):
        return labels.astype(np.uint8)
    return np.searchsorted([0, *numbers], labels).astype(np.uint8)


def _by_frame(labels: NDArray[np.uint8], planes: list[Plane]) -> NDArray[np.uint8]:
    """Return planes in the order of the frames, where one file holds them all."""
    frames = [plane.frame for plane in planes if plane.frame is not None]
    if not frames:
        return labels
    ordered = np.empty_like(labels)
    ordered[frames] = labels
    return ordered


def _descriptions(numbers: list[int], table: ClassTable) -> list[Any]:
    """Describe each class: a tissue, by its name and colour."""
    highdicom = library("highdicom", "DICOM SEG", "highdicom")
    codes = library("pydicom.sr.codedict", "DICOM SEG", "pydicom").codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="sparseseg",
        family=codes.DCM.ArtificialIntelligence,
        version=sparseseg.__version__,
    )
    described = []
    for segment, number in enumerate(numbers, start=1):
        name, colour = _look(number, table)
        words = highdicom.seg.SegmentDescription(
            segment_number=segment,
            segment_label=name.replace("\\", "/")[:_LONGEST_LABEL],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="SEMIAUTOMATIC",
            algorithm_identification=algorithm,
            display_color=highdicom.color.CIELabColor.from_string(colour),
        )
        words.SegmentDescription = f"sparseseg class {number}"
        described.append(words)
    return described


def _look(number: int, table: ClassTable) -> tuple[str, str]:
    """Return the name and the colour of a class."""
    if number in table.numbers:
        return table[number].name, table[number].colour
    return f"class {number}", PALETTE[(number - 1) % len(PALETTE)]


@contextmanager
def _as_one_sentence() -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "the slices of the series do not allow a DICOM SEG ({error}): write NIfTI, "
            "such as x.nii.gz",
            error=str(error).splitlines()[0],
        ) from error
