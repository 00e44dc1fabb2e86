"""What a prediction is called, where the image is a folder or a part of a file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from sparseseg.cli.predict import _name_for
from tests.data.dicom_files import save, slices


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("a.b.scan", "a.b.scan.nii.gz"),
        ("a.b.scan#7", "a.b.scan-7.nii.gz"),
        ("stack.h5:/volumes/raw", "stack-volumes-raw.h5"),
        ("stack.h5", "stack.h5"),
        ("other.lsm#t=12", "other.lsm-t0012.tif"),
        ("stack.h5:/volumes/raw#t=3", "stack-volumes-raw-t0003.h5"),
        ("other.lsm", "other.tif"),
    ],
)
def test_the_name_can_be_written_and_tells_the_part(tmp_path, image, name) -> None:
    save(tmp_path / "a.b.scan", slices())
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["volumes/raw"] = np.zeros((3, 3, 3))
    (tmp_path / "other.lsm").touch()
    assert _name_for(Path(f"{tmp_path}/{image}")) == name
