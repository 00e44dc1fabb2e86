"""DICOM files for tests, written by pydicom."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
LEFT, BACK = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def file_of(pixels: NDArray[Any], **tags: Any) -> Dataset:
    """Return a file of one slice, or of several frames, with tags by their names."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    storage = CTImageStorage if pixels.ndim == 2 else EnhancedCTImageStorage
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = storage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.PatientID, data.Modality, data.SeriesDescription = "anna", "CT", "thorax"
    data.SeriesInstanceUID, data.SeriesNumber = "1.2.3", 7
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 1
    data.PixelData = pixels.astype("<i2").tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def slices(voxels: NDArray[Any] = VOXELS, **tags: Any) -> list[Dataset]:
    """Return a series along the head, with voxels of 2.5, 0.5, 0.75 mm (z, y, x)."""
    placed = {
        "PixelSpacing": [0.5, 0.75],
        "ImageOrientationPatient": [*LEFT, *BACK],
        "RescaleSlope": 2,
        "RescaleIntercept": -1024,
    }
    return [
        file_of(
            plane, **{**placed, "ImagePositionPatient": [10, -20, 30 + 2.5 * z], **tags}
        )
        for z, plane in enumerate(voxels)
    ]


def enhanced(voxels: NDArray[Any] = VOXELS, order: tuple[int, ...] = ()) -> Dataset:
    """Return one file of many frames that lie as `slices` do, stored in any order."""
    places = order or tuple(range(len(voxels)))
    data = file_of(voxels[list(places)], NumberOfFrames=len(places))
    measures, plane, scale, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.5, 0.75]
    plane.ImageOrientationPatient = [*LEFT, *BACK]
    scale.RescaleSlope, scale.RescaleIntercept = 2, -1024
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([scale])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = Sequence([_frame(z) for z in places])
    return data


def _frame(z: int) -> Dataset:
    frame, place = Dataset(), Dataset()
    place.ImagePositionPatient = [10, -20, 30 + 2.5 * z]
    frame.PlanePositionSequence = Sequence([place])
    return frame


def save(folder: Path, files: list[Dataset], prefix: str = "I") -> Path:
    """Write files in an order of names that is not that of their places."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(files):
        name = f"{prefix}{(index * 7 + 3) % len(files)}_{index}"
        data.save_as(folder / name, enforce_file_format=True)
    return folder
