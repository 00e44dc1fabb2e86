"""Voxel sizes of 0, below 0, of no number or of no known unit do not stop a reader."""

from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest

from sparseseg.data.files import read
from sparseseg.errors import Note, UserError

VOXELS = np.zeros((5, 6, 7), np.int16)
BAD = (0.0, np.nan, np.inf)


def nifti(path: Path, sizes: tuple[float, ...], rows: tuple[float, ...] = ()) -> Path:
    """Write a header that nibabel itself would not: sizes of x, y, z, and an affine."""
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.eye(4)), path)
    raw = bytearray(path.read_bytes())
    raw[80:92] = np.array(sizes, "<f4").tobytes()
    raw[252:256] = np.array([0, bool(rows)], "<i2").tobytes()  # qform, sform
    if rows:
        raw[280:328] = np.array(rows, "<f4").tobytes()
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("size", [np.nan, np.inf])
def test_of_nifti_the_neighbour_stands_in(tmp_path: Path, size: float) -> None:
    path = nifti(tmp_path / "a.nii", (size, 2, 2))
    with pytest.warns(Note, match="no voxel size along x"):
        assert read(path).spacing == (2.0, 2.0, 2.0)


def test_a_negative_size_is_a_direction(tmp_path: Path) -> None:
    assert read(nifti(tmp_path / "a.nii", (-3, 1, 2))).spacing == (2.0, 1.0, 3.0)
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, {"spacings": [-3, 1, 2]})
    assert read(tmp_path / "a.nrrd").spacing == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("rows", [(0.0,) * 12, (np.nan,) * 12])
def test_an_affine_without_extent_is_refused(tmp_path: Path, rows) -> None:
    with pytest.raises(UserError, match=r"a\.nii: the affine"):
        read(nifti(tmp_path / "a.nii", (1, 1, 1), rows))


@pytest.mark.parametrize("size", BAD)
def test_of_other_formats_too(tmp_path: Path, size: float) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, {"spacings": [size, 2, 2]})
    with pytest.warns(Note, match="no voxel size along x"):
        assert read(tmp_path / "a.nrrd").spacing == (2.0, 2.0, 2.0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        found = file.create_dataset("raw", data=VOXELS)
        found.attrs["element_size_um"] = [2.0, 2.0, size]
    with pytest.warns(Note, match="no voxel size along x"):
        assert read(tmp_path / "a.h5").spacing == (2.0, 2.0, 2.0)


def test_a_unit_that_nobody_knows_keeps_the_proportions(tmp_path: Path) -> None:
    header = {"space units": ["furlong"] * 3, "space": "LPS"}
    header["space directions"] = np.diag([1.0, 2.0, 4.0])
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, header)
    volume = read(tmp_path / "a.nrrd")
    assert volume.unit == "pixel"
    assert np.array(volume.spacing) / volume.spacing[2] == pytest.approx([4, 2, 1])
