"""DICOM: grey values and places as the scanner meant them, or a clear refusal."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, JPEG2000Lossless, RLELossless

from sparseseg.data import optional
from sparseseg.data.files import read, write_labels
from sparseseg.errors import UserError
from tests.data.dicom_files import VOXELS, enhanced, file_of, save, slices

GREY = VOXELS * 2 - 1024
# DICOM runs to the left and the back, NIfTI to the right and the front.
WORLD = [[-0.75, 0, 0, -10], [0, -0.5, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]]


def test_a_folder_of_slices_is_a_volume_in_hounsfield_units(tmp_path: Path) -> None:
    volume = read(save(tmp_path / "scan", slices()))
    assert np.array_equal(volume.array[0], GREY)
    assert volume.array.dtype == np.int16
    assert (volume.spacing, volume.unit) == ((2.5, 0.5, 0.75), "mm")
    assert np.allclose(volume.affine, WORLD)


def test_a_labels_file_made_of_it_lies_where_it_lies(tmp_path: Path) -> None:
    volume = read(save(tmp_path / "scan", slices()))
    write_labels(tmp_path / "a.nii.gz", np.ones(volume.shape, np.uint8), volume)
    found = read(tmp_path / "a.nii.gz")
    assert np.allclose(found.affine, WORLD)
    assert (found.spacing, found.unit) == ((2.5, 0.5, 0.75), "mm")


def test_slices_that_run_to_the_left_keep_their_place(tmp_path: Path) -> None:
    files = slices(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    for z, file in enumerate(files):
        file.ImagePositionPatient = [3.0 * z, 1, 2]
    volume = read(save(tmp_path / "scan", files))
    # Rows run to the back, columns to the feet: the normal is to the right, -x.
    assert np.array_equal(volume.array[0], GREY[::-1])
    place = np.asarray(volume.affine) @ [0, 0, 0, 1]
    assert np.allclose(place, [-9, -1, 2, 1])
    assert np.allclose(np.asarray(volume.affine)[:3, 2], [3, 0, 0])


def test_an_enhanced_file_holds_the_same_volume(tmp_path: Path) -> None:
    path = tmp_path / "many.dcm"
    enhanced(order=(2, 0, 3, 1)).save_as(path, enforce_file_format=True)
    for place in (path, tmp_path):
        volume = read(place)
        assert np.array_equal(volume.array[0], GREY)
        assert np.allclose(volume.affine, WORLD)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_packed_slices_are_unpacked(tmp_path: Path, syntax) -> None:
    pytest.importorskip("gdcm")
    files = slices()
    for file in files[:1] if syntax == RLELossless else []:
        file.compress(syntax)
    for file in files if syntax == JPEG2000Lossless else []:
        _compress_by_gdcm(file)
    volume = read(save(tmp_path / "scan", files))
    assert np.array_equal(volume.array[0], GREY)


def _compress_by_gdcm(file: Dataset) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    from pydicom.encaps import encapsulate

    packed = imagecodecs.jpeg2k_encode(file.pixel_array, level=0, reversible=True)
    if len(packed) % 2:
        packed += b"\0"
    file.PixelData = encapsulate([packed])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless


def test_a_scale_with_fractions_gives_real_numbers(tmp_path: Path) -> None:
    files = slices()
    for z, file in enumerate(files):
        file.RescaleSlope = 0.5 * (z + 1)
    volume = read(save(tmp_path / "scan", files))
    assert volume.array.dtype == np.float32
    assert volume.array[0, 3, 0, 1] == VOXELS[3, 0, 1] * 2 - 1024


def two_series(folder: Path, **tags) -> Path:
    save(folder, slices())
    other = {"SeriesInstanceUID": "1.2.4", "SeriesNumber": 8, **tags}
    return save(folder, slices(VOXELS + 1, **other), prefix="J")


def test_of_several_series_the_user_names_one(tmp_path: Path) -> None:
    folder = two_series(tmp_path / "study", SeriesDescription="abdomen")
    with pytest.raises(UserError) as error:
        read(folder)
    words = str(error.value)
    assert "2 series" in words
    assert "7 (thorax, 4 slices, patient anna)" in words
    assert "8 (abdomen, 4 slices, patient anna)" in words
    assert f"{folder}#7" in words
    for name in ("#8", "#1.2.4"):
        assert read(f"{folder}{name}").array[0, 0, 0, 1] == GREY[0, 0, 1] + 2
    with pytest.raises(UserError, match="no series '9'"):
        read(f"{folder}#9")


def test_series_of_one_number_are_named_by_their_uid(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1\.2\.3 \(.*1\.2\.4 \("):
        read(two_series(tmp_path / "study", SeriesNumber=7))


def test_two_patients_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"of 2 patients.*anna.*bert"):
        read(two_series(tmp_path / "study", PatientID="bert"))
    files = slices()
    files[1].PatientID = "bert"
    with pytest.raises(UserError, match=r"2 patients in one series \(anna, bert\)"):
        read(save(tmp_path / "mixed", files))


def changed(index: int, **tags) -> list[Dataset]:
    files = slices()
    for name, value in tags.items():
        setattr(files[index], name, value)
    return files


def tilted() -> list[Dataset]:
    files = slices()
    for z, file in enumerate(files):
        file.ImagePositionPatient = [
            10,
            -20 + 2.5 * z * np.tan(np.radians(15)),
            2.5 * z,
        ]
    return files


def without(*names: str) -> list[Dataset]:
    files = slices()
    for name in names:
        delattr(files[2], name)
    return files


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (slices()[:2] + slices()[3:], "gap.*2.500 mm apart, but 5.000 mm"),
        (
            changed(2, ImagePositionPatient=[10, -20, 35.8]),
            "uneven steps.* from 1.700 to 3.300",
        ),
        (tilted(), "gantry tilt of 15.0 degrees"),
        (changed(1, Rows=4, PixelData=bytes(48)), "2 sizes.*5 x 6 in 3 slices; 4 x 6"),
        (changed(1, PixelSpacing=[0.5, 0.5]), "2 pixel sizes in mm.*0.5, 0.75 in 3"),
        (changed(1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "2 orientations"),
        (slices(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "right angles"),
        (slices(PixelSpacing=[0, 0]), "0 x 0 mm"),
        (slices(PixelSpacing=[-0.5, 0.75]), "-0.5 x 0.75 mm"),
        (slices() + slices(), "several slices at 30.00 mm"),
        (without("PixelSpacing"), "without PixelSpacing"),
        (without("ImagePositionPatient"), "without ImagePositionPatient"),
        (slices()[:1], "one slice"),
        (changed(1, PixelData=bytes(10)), "damaged or cut short"),
        (
            slices(SamplesPerPixel=3, PhotometricInterpretation="RGB"),
            r"colour pictures.*RGB",
        ),
        ([file_of(VOXELS, NumberOfFrames=4)], "does not say where they lie"),
    ],
)
def test_what_is_no_even_stack_is_refused_by_value(tmp_path, files, words) -> None:
    with pytest.raises(UserError, match=words):
        read(save(tmp_path / "scan", files))


def test_a_file_cut_in_its_header_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "scan", slices())
    path = sorted(folder.iterdir())[0]
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UserError, match=path.name):
        read(folder)


def test_other_files_links_in_loops_and_foreign_names_do_not_disturb(tmp_path) -> None:
    folder = save(tmp_path / "Иванова 李" / "scan", slices())
    (folder / "README.txt").write_text("export of the archive")
    report = file_of(VOXELS[0])
    del report.Rows, report.Columns, report.PixelData
    report.SOPClassUID = BasicTextSRStorage
    report.save_as(folder / "report", enforce_file_format=True)
    (folder / "loop").symlink_to(tmp_path)
    (folder / "dead").symlink_to(folder / "nowhere")
    assert np.array_equal(read(folder.parent).array[0], GREY)


def test_a_folder_without_slices_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Zarr image, DICOM series or stack"):
        read(tmp_path)


def test_without_the_library_the_one_command_is_named(tmp_path, monkeypatch) -> None:
    folder = save(tmp_path / "scan", slices())

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(optional, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install sparseseg\[io\]"):
        read(folder)
