"""Levels, arrays in groups and data sets: one part of a file that holds many."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from sparseseg.data.files import open_volume, read, write_image, write_labels
from sparseseg.data.parts import split_part
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

AFFINE = np.array([[-0.5, 0, 0, 7], [0, 0.5, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
LIKE = Volume(
    np.zeros((1, 8, 300, 260), np.uint8), (2.0, 0.5, 0.5), "mm", affine=AFFINE
)
LABELS = np.zeros((8, 300, 260), np.uint8)
LABELS[2:6, 100:200, 40:240] = 3
RAW = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def test_labels_are_written_with_a_pyramid_of_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_labels(path, LABELS, LIKE)
    group = zarr.open_group(str(path), mode="r")
    # y and x are halved; z, four times as long, is not, until it is less than twice.
    assert [group[n].shape for n in ("0", "1")] == [(8, 300, 260), (8, 150, 130)]
    assert "2" not in group
    whole, half = read(path), read(path / "1")
    assert np.array_equal(whole.array[0], LABELS)
    assert np.array_equal(half.array[0], LABELS[:, ::2, ::2])
    assert (half.spacing, half.unit) == ((2.0, 1.0, 1.0), "mm")


def test_a_level_lies_where_the_image_lies(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=LABELS.shape).astype(np.float32)
    write_image(tmp_path / "a.zarr", values, LIKE)
    half = read(tmp_path / "a.zarr" / "1")
    blocks = values.reshape(8, 150, 2, 130, 2).mean(axis=(2, 4))
    assert np.allclose(half.array[0], blocks, atol=1e-6)
    # The first voxel is the mean of four: its centre lies between theirs.
    centre = np.asarray(half.affine) @ [0, 0, 0, 1]
    assert np.allclose(centre, AFFINE @ [0.5, 0.5, 0, 1])
    last = np.asarray(half.affine) @ [129, 149, 7, 1]
    assert np.allclose(last, AFFINE @ [258.5, 298.5, 7, 1])


def test_a_level_of_another_maker_has_its_own_scale_on_disk_too(tmp_path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    group.create_array("s0", data=RAW)
    group.create_array("s1", data=RAW[:, :2, :3])
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    datasets = [
        {
            "path": f"s{i}",
            "coordinateTransformations": [{"type": "scale", "scale": [3.0, s, s]}],
        }
        for i, s in enumerate((0.5, 1.0))
    ]
    image = {"axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    assert read(tmp_path / "a.zarr").spacing == (3.0, 0.5, 0.5)
    for found in (
        read(tmp_path / "a.zarr" / "s1"),
        open_volume(tmp_path / "a.zarr" / "s1", at_most=1),
    ):
        assert (found.spacing, found.unit) == ((3.0, 1.0, 1.0), "um")
        assert np.array_equal(found.array[:][0], RAW[:, :2, :3])


def test_arrays_in_groups_are_found_and_named(tmp_path: Path) -> None:
    path = tmp_path / "cremi.zarr"
    group = zarr.open_group(str(path), mode="w")
    raw = group.create_array("volumes/raw", data=RAW)
    raw.attrs["resolution"] = [40, 4, 4]
    assert np.array_equal(read(path).array[0], RAW)
    group.create_array("volumes/labels/ids", data=RAW // 2)
    with pytest.raises(UserError, match=r"2 arrays \(volumes/labels/ids, volumes/raw"):
        read(path)
    volume = read(path / "volumes" / "raw")
    assert (volume.spacing, volume.unit) == ((40.0, 4.0, 4.0), "nm")


def test_a_dataset_of_several_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "cremi.h5"
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = RAW
        file["volumes/raw"].attrs["resolution"] = (40.0, 4.0, 4.0)
        file["volumes/labels"] = RAW // 2
    volume = read(f"{path}:/volumes/raw")
    assert np.array_equal(volume.array[0], RAW)
    assert (volume.spacing, volume.unit) == ((40.0, 4.0, 4.0), "nm")
    apart = open_volume(f"{path}:/volumes/labels", at_most=1)
    assert np.array_equal(apart.array[:][0], RAW // 2)
    with pytest.raises(UserError, match=r"no dataset /volumes/row .*/volumes/raw"):
        read(f"{path}:/volumes/row")


def test_a_link_to_another_file_is_no_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = RAW
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["away"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
        file["self"] = h5py.SoftLink("/self")
    with pytest.raises(UserError, match="no dataset /away"):
        read(f"{tmp_path / 'a.h5'}:/away")


def test_a_part_of_a_file_without_parts_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.nrrd", LABELS, LIKE)
    with pytest.raises(UserError, match="has no parts: leave out '3'"):
        read(f"{tmp_path / 'a.nrrd'}#3")


def test_a_file_whose_name_holds_the_sign_is_found(tmp_path: Path) -> None:
    path = tmp_path / "slide #3.tif"
    path.touch()
    assert split_part(path) == (path, "")
    assert split_part(f"{path}#t=1") == (path, "t=1")
    assert split_part(tmp_path / "none.h5") == (tmp_path / "none.h5", "")
