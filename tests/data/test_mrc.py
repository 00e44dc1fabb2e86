"""MRC files, as mrcfile writes them and as microscopes leave them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.files import open_volume, read, write_image, write_labels
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

mrcfile = pytest.importorskip("mrcfile")
VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def mrc(path: Path, voxels=VOXELS, size=(5.0, 5.0, 20.0)) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(voxels)
        file.voxel_size = size
    return path


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32])
def test_voxels_and_their_size_come_in_nanometres(tmp_path: Path, dtype) -> None:
    volume = read(mrc(tmp_path / "a.mrc", VOXELS.astype(dtype)))
    assert np.array_equal(volume.array[0], VOXELS.astype(dtype))
    assert volume.array.dtype == dtype
    assert volume.unit == "nm"
    assert volume.spacing == pytest.approx((2.0, 0.5, 0.5))


def test_a_size_of_0_is_not_known(tmp_path: Path) -> None:
    assert read(mrc(tmp_path / "a.mrc", size=0)).unit == "pixel"


def test_what_stays_on_disk_is_the_same(tmp_path: Path) -> None:
    apart = open_volume(mrc(tmp_path / "a.mrc"), at_most=8)
    assert isinstance(apart.array, OnDisk)
    assert np.array_equal(apart.array[:][0], VOXELS)
    assert apart.spacing == pytest.approx((2.0, 0.5, 0.5))


def test_other_orders_of_axes_and_bytes_are_turned(tmp_path: Path) -> None:
    path = mrc(tmp_path / "a.mrc", VOXELS.transpose(2, 1, 0).copy(), size=0)
    with mrcfile.open(path, "r+") as file:
        file.header.mapc, file.header.mapr, file.header.maps = 3, 2, 1
    assert np.array_equal(read(path).array[0], VOXELS)
    big = mrc(tmp_path / "b.mrc", VOXELS.astype(">i2"))
    assert np.array_equal(read(big).array[0], VOXELS)


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    plain = mrc(tmp_path / "a.mrc").read_bytes()
    (tmp_path / "b.mrc.gz").write_bytes(gzip.compress(plain))
    assert np.array_equal(read(tmp_path / "b.mrc.gz").array[0], VOXELS)


def test_labels_and_channels_are_written(tmp_path: Path) -> None:
    like = Volume(VOXELS[None], (0.002, 0.0005, 0.0005), "um")
    write_labels(tmp_path / "l.mrc", (VOXELS % 200).astype(np.uint8), like)
    found = read(tmp_path / "l.mrc")
    assert np.array_equal(found.array[0], VOXELS % 200)
    assert (found.spacing, found.unit) == (pytest.approx((2.0, 0.5, 0.5)), "nm")
    with mrcfile.open(tmp_path / "l.mrc") as file:
        assert file.is_volume()
        assert float(file.voxel_size.z) == pytest.approx(20)
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    write_image(tmp_path / "c.mrc", values, like)
    assert np.array_equal(read(tmp_path / "c.mrc").array, values)
    with pytest.raises(UserError, match="int32 as MRC"):
        write_labels(tmp_path / "x.mrc", VOXELS.astype(np.int32), like)
    assert not (tmp_path / "x.mrc").exists()


def test_a_cut_file_a_picture_and_odd_axes_are_refused(tmp_path: Path) -> None:
    path = mrc(tmp_path / "a.mrc")
    (tmp_path / "cut.mrc").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="damaged or cut short"):
        read(tmp_path / "cut.mrc")
    with pytest.raises(UserError, match="damaged or cut short"):
        open_volume(tmp_path / "cut.mrc", at_most=8)
    with pytest.raises(UserError, match="2-D picture"):
        read(mrc(tmp_path / "flat.mrc", VOXELS[0]))
    with mrcfile.open(path, "r+") as file:
        file.header.mapc = 3
    with pytest.raises(UserError, match=r"axes \[3, 2, 3\]"):
        read(path)
