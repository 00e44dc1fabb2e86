"""`predict` takes folders of slices and time series as it takes a file."""

from pathlib import Path

import numpy as np
import tifffile

from sparseseg.data.files import read
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


def test_a_project_takes_a_folder_of_slices_and_no_part_of_one(
    run: Run, tmp_path: Path
) -> None:
    scan, project = save(tmp_path / "scan", slices()), tmp_path / "project"
    assert run("project", "new", project)[0] == 0
    code, _, stderr = run("project", "add", project, f"{scan}#7")
    assert code == 2
    assert "holds whole files" in stderr
    code, _, stderr = run("project", "add", project, scan)
    assert code == 0, stderr
