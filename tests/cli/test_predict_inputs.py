"""`predict` takes folders of slices and time series as it takes a file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from sparseseg.data.files import read, read_truth
from tests.cli.runs import Run
from tests.data.dicom_files import VOXELS, save, slices


def test_a_dicom_folder_gives_nifti_that_lies_as_the_scan(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    scan = save(tmp_path / "scan", slices(np.tile(VOXELS, (3, 4, 4))))
    code, stdout, stderr = run("predict", model_file, scan, "-o", tmp_path / "out")
    assert code == 0, stderr
    assert stdout.strip() == str(tmp_path / "out" / "scan.nii.gz")
    found, image = read(tmp_path / "out" / "scan.nii.gz"), read(scan)
    assert found.shape == image.shape
    assert np.allclose(found.affine, image.affine)


def test_a_dicom_folder_gives_dicom_seg_and_nifti_beside(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    pytest.importorskip("highdicom")
    files = slices(
        np.tile(VOXELS, (3, 4, 4)), StudyInstanceUID="1.2", FrameOfReferenceUID="1.3"
    )
    scan, out = save(tmp_path / "scan", files), tmp_path / "seg.dcm"
    code, _, stderr = run("predict", model_file, scan, "-o", out, "--uncertainty")
    assert code == 0, stderr
    assert run("predict", model_file, scan, "-o", tmp_path / "seg.nii.gz")[0] == 0
    plain = read_truth(tmp_path / "seg.nii.gz", like=read(scan))
    assert np.array_equal(read_truth(out, like=read(scan)), plain)
    assert read(tmp_path / "seg-uncertainty.nii.gz").shape == (12, 20, 24)


def test_dicom_seg_of_another_image_is_refused_before_the_work(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    pytest.importorskip("highdicom")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 20, 20), np.uint8))
    image, out = tmp_path / "a.tif", tmp_path / "a.dcm"
    code, _, stderr = run("predict", model_file, image, "-o", out)
    assert code == 2
    assert "a.tif comes from none: write NIfTI" in stderr


def test_a_result_inside_the_folder_that_is_read_is_refused(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    scan = save(tmp_path / "scan", slices())
    code, _, stderr = run("predict", model_file, scan, "-o", scan / "p.tif")
    assert code == 2
    assert "is an input" in stderr


def test_each_point_of_time_gives_a_prediction(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    movie = np.random.default_rng(0).integers(0, 99, (3, 9, 20, 20)).astype(np.uint8)
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TZYX"})
    code, _, stderr = run(
        "predict", model_file, f"{path}#t=all", "-o", tmp_path / "out"
    )
    assert code == 0, stderr
    names = [f"m-t000{point}.tif" for point in range(3)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    code, _, stderr = run("predict", model_file, path, "-o", tmp_path / "p.tif")
    assert code == 2
    assert "#t=all" in stderr


def test_a_project_takes_a_folder_of_slices(run: Run, tmp_path: Path) -> None:
    scan, project = save(tmp_path / "scan", slices()), tmp_path / "project"
    assert run("project", "new", project)[0] == 0
    code, _, stderr = run("project", "add", project, scan)
    assert code == 0, stderr
    code, _, stderr = run("project", "export", project, "-o", tmp_path / "out")
    assert code == 0, stderr
    assert (tmp_path / "out" / "annotations" / "scan.nii.gz").exists()
