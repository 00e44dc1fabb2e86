"""DICOM SEG: labels that other programs find on the slices that they belong to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.files import (
    check_output,
    read,
    read_labels,
    read_truth,
    write_image,
    write_labels,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from tests.data.dicom_files import VOXELS, enhanced, save, slices

highdicom = pytest.importorskip("highdicom")

UIDS = {"StudyInstanceUID": "1.2.4", "FrameOfReferenceUID": "1.2.5"}
TABLE = ClassTable(
    (LabelClass(3, "kidney 肾", "#123456"), LabelClass(7, "tumour", "#e69f00"))
)


def labels() -> np.ndarray:
    """Return classes 3 and 7, with nothing in the first slice and in the third."""
    found = np.zeros(VOXELS.shape, np.uint8)
    found[1, 0, :3], found[1, 4, 5], found[3] = 3, 7, 7
    found[3, 2, 2] = 3
    return found


def series(tmp_path: Path, kind: str) -> Volume:
    if kind == "slices":
        return read(save(tmp_path / "scan", slices(**UIDS)))
    file = enhanced(order=(2, 0, 3, 1))
    for word, value in UIDS.items():
        setattr(file, word, value)
    file.save_as(tmp_path / "scan.dcm", enforce_file_format=True)
    return read(tmp_path / "scan.dcm")


@pytest.mark.parametrize("kind", ["slices", "enhanced"])
def test_labels_come_back_voxel_by_voxel_with_names_and_colours(
    tmp_path: Path, kind: str
) -> None:
    image, path = series(tmp_path, kind), tmp_path / "out" / "seg.dcm"
    check_output(path, like=image)
    write_labels(path, labels(), image, table=TABLE)
    assert np.array_equal(read_truth(path, like=image), labels())
    assert np.array_equal(read_labels(path, like=image), labels())
    found = read(path)
    assert found.classes == TABLE
    assert (found.spacing, found.unit) == (image.spacing, "mm")


def test_highdicom_finds_each_segment_on_its_slices(tmp_path: Path) -> None:
    image = series(tmp_path, "slices")
    write_labels(tmp_path / "seg.dcm", labels(), image, table=TABLE)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert [found.get_segment_description(n).segment_label for n in (1, 2)] == [
        "kidney 肾",
        "tumour",
    ]
    headers = [dcmread(path) for path in (tmp_path / "scan").iterdir()]
    headers.sort(key=lambda header: header.ImagePositionPatient[2])
    uids = [header.SOPInstanceUID for header in headers]
    pixels = found.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(pixels, np.searchsorted([0, 3, 7], labels()))
    assert found.PatientID == "anna"
    assert found.FrameOfReferenceUID == UIDS["FrameOfReferenceUID"]


def test_labels_without_any_class_are_written_too(tmp_path: Path) -> None:
    image = series(tmp_path, "slices")
    write_labels(tmp_path / "seg.dcm", labels() * 0, image)
    assert not read_truth(tmp_path / "seg.dcm", like=image).any()


def test_slices_that_were_left_out_are_filled_only_in_their_place(
    tmp_path: Path,
) -> None:
    image = series(tmp_path, "slices")
    write_labels(tmp_path / "seg.dcm", labels(), image)
    assert read(tmp_path / "seg.dcm").shape == (3, 5, 6)
    aside = np.array(image.affine)
    aside[2, 3] += 100
    with pytest.raises(UserError, match="lies elsewhere"):
        read_truth(tmp_path / "seg.dcm", like=replace(image, affine=aside))


def refused(tmp_path: Path, like: Volume) -> str:
    """Return why labels cannot be written, which is told before they exist."""
    with pytest.raises(UserError) as found:
        check_output(tmp_path / "seg.dcm", like=like)
    with pytest.raises(UserError):
        write_labels(tmp_path / "seg.dcm", np.ones(like.shape, np.uint8), like)
    assert not (tmp_path / "seg.dcm").exists()
    return str(found.value)


def test_labels_of_another_image_are_refused(tmp_path: Path) -> None:
    image = Volume(np.zeros((1, 4, 5, 6), np.uint8), name="cells.tif")
    assert "cells.tif comes from none" in refused(tmp_path, image)


def test_a_series_that_is_gone_or_changed_is_refused(tmp_path: Path) -> None:
    image = series(tmp_path, "slices")
    top = max(
        (tmp_path / "scan").iterdir(), key=lambda p: dcmread(p).ImagePositionPatient[2]
    )
    top.unlink()
    assert "are not the ones of the labels" in refused(tmp_path, image)
    (tmp_path / "scan").rename(tmp_path / "moved")
    assert "these are gone" in refused(tmp_path, image)


def test_slices_that_nothing_can_refer_to_are_refused(tmp_path: Path) -> None:
    image = read(save(tmp_path / "scan", slices()))
    words = refused(tmp_path, image)
    assert "no StudyInstanceUID, FrameOfReferenceUID: write NIfTI" in words


def test_an_image_and_too_many_classes_are_refused(tmp_path: Path) -> None:
    image = series(tmp_path, "slices")
    with pytest.raises(UserError, match="holds labels only"):
        write_image(tmp_path / "a.dcm", np.asarray(image.array[0]), image)
    files = slices(np.tile(VOXELS, (1, 4, 4)), **UIDS)
    large = read(save(tmp_path / "large", files))
    numbers = np.arange(np.prod(large.shape)).reshape(large.shape) % 300
    with pytest.raises(UserError, match="at most 255 classes, and there are 299"):
        write_labels(tmp_path / "a.dcm", numbers, large)


def test_the_later_segment_has_the_voxels_that_segments_share(tmp_path: Path) -> None:
    image, path = series(tmp_path, "slices"), tmp_path / "seg.dcm"
    headers = [dcmread(p) for p in (tmp_path / "scan").iterdir()]
    headers.sort(key=lambda header: header.ImagePositionPatient[2])
    write_labels(path, labels(), image, table=TABLE)
    described = [highdicom.seg.segread(path).get_segment_description(n) for n in (1, 2)]
    # Of a kidney of 6 voxels, 2 are tumour too; a tumour has 3 more outside of it.
    masks = np.zeros((*VOXELS.shape, 2), np.uint8)
    masks[1, 0, :, 0], masks[1, 0, 4:, 1], masks[2, 3, :3, 1] = 1, 1, 1
    made = highdicom.seg.Segmentation(
        source_images=[_complete(header) for header in headers],
        pixel_array=masks,
        segmentation_type="BINARY",
        segment_descriptions=described,
        series_instance_uid=highdicom.UID(),
        series_number=9,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="another",
        manufacturer_model_name="another",
        software_versions="1",
        specific_character_set="ISO_IR 192",
        device_serial_number="1",
    )
    made.save_as(tmp_path / "shared.dcm")
    with pytest.warns(Note, match=r"later segment got them \(2 of 6 of kidney 肾\)"):
        found = read_truth(tmp_path / "shared.dcm", like=image)
    wanted = np.where(masks[..., 1], 7, 3 * masks[..., 0])
    assert np.array_equal(found, wanted)


def _complete(header):
    for word in (
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "PatientName",
        "PatientID",
    ):
        if word not in header:
            setattr(header, word, None)
    header.SliceThickness = 2.5
    return header


def test_segments_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    image, path = series(tmp_path, "slices"), tmp_path / "seg.dcm"
    write_labels(path, labels(), image)
    file = dcmread(path)
    file.SegmentationType = "FRACTIONAL"
    file.save_as(path)
    with pytest.raises(UserError, match="holds probabilities"):
        read(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(UserError, match="damaged or cut short"):
        read(path)


def test_an_oblique_series_keeps_its_place(tmp_path: Path) -> None:
    cosine, sine = 0.8, 0.6
    files = slices(ImageOrientationPatient=[1, 0, 0, 0, cosine, sine], **UIDS)
    for z, file in enumerate(files):
        file.ImagePositionPatient = [1, 2 - 2.5 * sine * z, 3 + 2.5 * cosine * z]
    image = read(save(tmp_path / "scan", files))
    write_labels(tmp_path / "seg.dcm", labels(), image)
    # The first slice holds no label, and is left out.
    found, known = read(tmp_path / "seg.dcm").affine, np.asarray(image.affine)
    assert np.allclose(found[:3, :3], known[:3, :3])
    assert np.allclose(found @ [0, 0, 0, 1], known @ [0, 0, 1, 1])
    assert np.array_equal(read_truth(tmp_path / "seg.dcm", like=image), labels())
