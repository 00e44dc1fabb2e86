"""Axes and voxel sizes as other libraries' files name them, in memory and on disk."""

import json

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr

from sparseseg.data.alignment import aligned
from sparseseg.data.files import open_volume, read, write_labels
from sparseseg.errors import Note, UserError

STACK = np.arange(24 * 6 * 5, dtype=np.uint16).reshape(24, 6, 5)


def both_ways(path):
    """Read a file in memory and on disk; return the first, once they agree."""
    first, second = read(path), open_volume(path, at_most=1)
    np.testing.assert_array_equal(first.array[:], second.array[:])
    assert (first.spacing, first.unit) == (second.spacing, second.unit)
    return first


def test_the_affine_of_a_nifti_gives_the_voxel_size(tmp_path) -> None:
    image = nibabel.Nifti1Image(STACK.T, np.diag([0.5, 0.5, 2.0, 1]))
    image.header["pixdim"][1:4] = (1, 1, 0)
    nibabel.save(image, tmp_path / "a.nii")
    assert both_ways(tmp_path / "a.nii").spacing == (2.0, 0.5, 0.5)


def test_nanometres_of_a_nrrd_become_micrometres_in_a_nifti(tmp_path) -> None:
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([5.0, 5, 20]),
        "space origin": [1.0, 2, 3],
        "space units": ["nm"] * 3,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), STACK.T, header)
    volume = both_ways(tmp_path / "a.nrrd")
    assert (volume.spacing, volume.unit) == ((20.0, 5.0, 5.0), "nm")
    write_labels(tmp_path / "a.nii", (STACK % 3).astype(np.uint8), like=volume)
    again = read(tmp_path / "a.nii")
    assert again.unit == "um"
    assert again.spacing == pytest.approx((0.02, 0.005, 0.005))
    np.testing.assert_allclose(again.affine[:3, 3], [-0.001, -0.002, 0.003], rtol=1e-5)


def test_angstroms_of_a_nrrd_scale_its_place_as_well(tmp_path) -> None:
    header = {
        "space": "right-anterior-superior",
        "space directions": np.diag([50.0, 50, 200]),
        "space origin": [10.0, 20, 30],
        "space units": ["A"] * 3,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), STACK.T, header)
    volume = both_ways(tmp_path / "a.nrrd")
    assert (volume.spacing, volume.unit) == ((20.0, 5.0, 5.0), "nm")
    np.testing.assert_allclose(volume.affine[:3, 3], [1, 2, 3])


@pytest.mark.parametrize("kind", ["time", "Time"])
def test_a_time_axis_of_a_nrrd_is_not_taken_for_channels(tmp_path, kind) -> None:
    values = np.stack([STACK.T] * 2, axis=-1)
    nrrd.write(str(tmp_path / "a.nrrd"), values, {"kinds": ["domain"] * 3 + [kind]})
    for reading in (read, lambda path: open_volume(path, at_most=1)):
        with pytest.raises(UserError, match="a time axis of 2 points"):
            reading(tmp_path / "a.nrrd")


def test_the_scale_of_a_whole_zarr_image_counts(tmp_path) -> None:
    def scaled(*scale):
        return [{"type": "scale", "scale": list(scale)}]

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=STACK)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    data = {"path": "0", "coordinateTransformations": scaled(1, 1, 0.5)}
    image = {"axes": axes, "datasets": [data]}
    group.attrs["multiscales"] = [
        {**image, "coordinateTransformations": scaled(2, 0.5, 1)}
    ]
    volume = both_ways(tmp_path / "a.zarr")
    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


@pytest.mark.parametrize("names", ["xyz", ("col", "row", "plane"), None])
def test_the_axes_of_a_zarr_array_are_those_that_it_names(tmp_path, names) -> None:
    path = str(tmp_path / "a.zarr")
    if names is None:  # as xarray writes them
        array = zarr.create_array(path, data=STACK.T, zarr_format=2)
        array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y", "z"]
    else:
        zarr.create_array(path, data=STACK.T, dimension_names=list(names))
    np.testing.assert_array_equal(both_ways(tmp_path / "a.zarr").array[0], STACK)


def test_the_one_image_below_a_zarr_group_is_found(tmp_path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for number in (1, 0):
        below = root.create_group(str(number))
        below.create_array("0", data=STACK)
        below.attrs["multiscales"] = [
            {"axes": list("zyx"), "datasets": [{"path": "0"}]}
        ]
        if number == 1:
            assert read(tmp_path / "a.zarr").shape == STACK.shape
    with pytest.raises(UserError, match=r"holds 2 images \(0, 1\)"):
        read(tmp_path / "a.zarr")


@pytest.mark.parametrize("shape", [(24, 6, 5, 2), (2, 24, 6, 5)])
def test_of_four_unnamed_axes_the_short_one_at_an_end_is_channels(
    tmp_path, shape
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(shape, np.uint16)
    assert read(tmp_path / "a.h5").array.shape == (2, 24, 6, 5)


@pytest.mark.parametrize("shape", [(24, 6, 5, 24), (12, 6, 5, 20)])
def test_four_unnamed_axes_that_could_be_anything_are_refused(tmp_path, shape) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(shape, np.uint16)
    with pytest.raises(UserError, match="neither the first nor the last"):
        read(tmp_path / "a.h5")


def test_the_labels_of_hdf5_axes_are_read(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", data=STACK.T)
        for dimension, name in zip(dataset.dims, "xyz", strict=True):
            dimension.label = name
        dataset.attrs["element_size_um"] = (0.5, 0.5, 2.0)
    volume = both_ways(tmp_path / "a.h5")
    np.testing.assert_array_equal(volume.array[0], STACK)
    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


def test_a_pyramid_is_read_at_full_resolution_from_disk_as_well(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(STACK, subifds=1, metadata={"axes": "ZYX"})
        file.write(STACK[:, ::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(both_ways(path).array[0], STACK)


def test_a_nifti_that_is_cut_short_is_refused_before_it_is_used(tmp_path) -> None:
    nibabel.save(nibabel.Nifti1Image(STACK.T, np.eye(4)), tmp_path / "a.nii")
    whole = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-1])
    for at_most in (1, 10**9):
        with pytest.raises(UserError, match="cut short"):
            open_volume(tmp_path / "cut.nii", at_most=at_most)


@pytest.mark.parametrize("kind", ["zarr", "h5"])
def test_three_axes_without_names_are_a_volume_however_long_they_are(
    tmp_path, kind
) -> None:
    cube = np.arange(12**3, dtype=np.uint16).reshape(12, 12, 12)
    path = tmp_path / f"a.{kind}"
    if kind == "zarr":
        zarr.create_array(str(path), data=cube)
    else:
        with h5py.File(path, "w") as file:
            file["raw"] = cube
    np.testing.assert_array_equal(both_ways(path).array[0], cube)


@pytest.mark.parametrize(
    "named",
    [
        {"labels": ["x", "y", "t"]},
        {"spacings": [0.5, 0.5, 30], "units": ["mm", "mm", "s"]},
    ],
)
def test_a_nrrd_of_pictures_over_time_is_no_volume(tmp_path, named) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), STACK.T, named)
    for at_most in (1, 10**9):
        with pytest.raises(UserError, match="time axis of 24 points"):
            open_volume(tmp_path / "a.nrrd", at_most=at_most)


def test_one_axis_of_a_zarr_image_without_a_unit_costs_no_other_size(tmp_path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=STACK)
    units = ({}, {"unit": "micrometer"}, {"unit": "micrometer"})
    axes = [
        {"name": name, "type": "space", **unit}
        for name, unit in zip("zyx", units, strict=True)
    ]
    scale = {"type": "scale", "scale": [2.0, 0.5, 0.5]}
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    image = {"version": "0.4", "axes": axes, "datasets": [dataset]}
    group.attrs["multiscales"] = [image]
    with pytest.warns(Note, match="no unit of length along z"):
        volume = both_ways(tmp_path / "a.zarr")
    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


def test_the_sizes_in_the_tags_of_ilastik_are_read(tmp_path) -> None:
    sizes = {"x": 0.5, "y": 0.5, "z": 2.0}
    tags = [{"key": name, "resolution": size} for name, size in sizes.items()]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK.T
        file["data"].attrs["axistags"] = json.dumps({"axes": tags})
    volume = both_ways(tmp_path / "a.h5")
    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "pixel")


def nrrd_in(path, array, directions, origin):
    header = {"space dimension": 3, "space directions": directions}
    nrrd.write(str(path), array.T, {**header, "space origin": origin})
    return read(path)


def test_labels_of_a_nrrd_are_turned_in_a_space_without_a_name(tmp_path) -> None:
    image = nrrd_in(tmp_path / "a.nrrd", STACK, np.diag([0.5, 0.5, 2.0]), [1.0, 2, 3])
    assert image.affine is None
    # Stored from the other end of x: its first voxel lies where the last one of the image is.
    end = 1 + 0.5 * (STACK.shape[2] - 1)
    mirrored = np.ascontiguousarray(STACK[:, :, ::-1])
    path = tmp_path / "b.nrrd"
    labels = nrrd_in(path, mirrored, np.diag([-0.5, 0.5, 2.0]), [end, 2, 3])
    with pytest.warns(Note, match=r"stored as -x \+y \+z and a.nrrd as \+x \+y \+z"):
        found = aligned(labels, image)
    np.testing.assert_array_equal(found.array, image.array)
    assert found.affine is None
    away = nrrd_in(path, STACK, np.diag([0.5, 0.5, 2.0]), [9.0, 2, 3])
    with pytest.raises(UserError, match="lies elsewhere"):
        aligned(away, image)


def zarr_at(path, *at):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=STACK)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    steps = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    steps += [{"type": "translation", "translation": list(at)}] if at else []
    data = {"path": "0", "coordinateTransformations": steps}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [data]}]
    return read(path)


def test_labels_of_another_tile_of_an_ome_zarr_are_refused(tmp_path) -> None:
    image = zarr_at(tmp_path / "a.zarr", 0.0, 0.0, 100.0)
    same, other = tmp_path / "b.zarr", tmp_path / "c.zarr"
    assert aligned(zarr_at(same, 0.0, 0.0, 100.1), image).shape == image.shape
    with pytest.raises(UserError, match="lies elsewhere"):
        aligned(zarr_at(other, 0.0, 0.0, 200.0), image)
    # Where one says nothing, the shapes decide as before.
    assert aligned(zarr_at(other), image).shape == image.shape
