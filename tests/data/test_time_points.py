"""Time series: each point of time is a volume of its own, and none is taken for z."""

import pickle
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from sparseseg.data.files import frames, open_volume, read
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.time_points import TimeSeriesError
from sparseseg.errors import UserError

MOVIE = np.arange(3 * 4 * 5 * 6, dtype=np.uint8).reshape(3, 4, 5, 6)  # t, z, y, x


def imagej(folder: Path) -> str:
    movie = np.stack([MOVIE, MOVIE + 1], axis=2)  # t, z, c, y, x
    tifffile.imwrite(folder / "m.tif", movie, imagej=True, metadata={"axes": "TZCYX"})
    return "m.tif"


def ome(folder: Path) -> str:
    tifffile.imwrite(folder / "m.ome.tif", MOVIE, metadata={"axes": "TZYX"})
    return "m.ome.tif"


def nifti(folder: Path) -> str:
    image = nibabel.Nifti1Image(MOVIE.T, np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(folder / "m.nii.gz")
    return "m.nii.gz"


def hdf5(folder: Path) -> str:
    with h5py.File(folder / "m.h5", "w") as file:
        file["data"] = MOVIE
        file["data"].attrs["axes"] = "tzyx"
    return "m.h5"


def ome_zarr(folder: Path) -> str:
    group = zarr.open_group(str(folder / "m.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=MOVIE)
    axes = [{"name": n, "type": "time" if n == "t" else "space"} for n in "tzyx"]
    scale = {"type": "scale", "scale": [1.0, 2.0, 0.5, 0.5]}
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [dataset]}]
    return "m.zarr"


KINDS = pytest.mark.parametrize("write", [imagej, ome, nifti, hdf5, ome_zarr])


@KINDS
def test_a_point_of_time_is_a_volume(tmp_path: Path, write) -> None:
    path = tmp_path / write(tmp_path)
    for point in (0, 2):
        for volume in (
            read(f"{path}#t={point}"),
            open_volume(f"{path}#t={point}", at_most=1),
        ):
            assert np.array_equal(volume.array[:][0], MOVIE[point])


@KINDS
def test_of_a_point_of_time_no_other_is_read_into_memory(tmp_path: Path, write) -> None:
    path = tmp_path / write(tmp_path)
    array = open_volume(f"{path}#t=2", at_most=1).array
    assert isinstance(array, OnDisk)
    elsewhere = pickle.loads(pickle.dumps(array))  # as another process opens it
    assert np.array_equal(elsewhere[:, 1:3][0], MOVIE[2, 1:3])


@KINDS
def test_a_series_says_how_to_name_a_point(tmp_path: Path, write) -> None:
    path = tmp_path / write(tmp_path)
    with pytest.raises(
        TimeSeriesError, match="time axis of 3 points: add #t=0"
    ) as error:
        read(path)
    assert str(error.value).count(str(path)) == 2
    assert frames(path) == [str(path)]
    assert frames(f"{path}#t=all") == [f"{path}#t={n}" for n in range(3)]
    with pytest.raises(UserError, match="no point of time 3: they run from 0 to 2"):
        read(f"{path}#t=3")
    with pytest.raises(UserError, match="'t=-1'"):
        read(f"{path}#t=-1")


def test_a_dataset_and_a_point_of_time_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / hdf5(tmp_path)
    found = read(f"{path}:/data#t=1").array[0]
    assert np.array_equal(found, MOVIE[1])


def test_a_volume_without_time_has_one_point(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", MOVIE[0], metadata={"axes": "ZYX"})
    assert frames(f"{tmp_path}/a.tif#t=all") == [f"{tmp_path}/a.tif#t=0"]
    assert np.array_equal(read(f"{tmp_path}/a.tif#t=0").array[0], MOVIE[0])
