"""NRRD, HDF5 and Zarr beside TIFF and NIfTI: round trips, and files of other makers."""

import gzip
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr

from sparseseg.data import files, formats, on_disk
from sparseseg.data.files import open_volume, read, write_image, write_labels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

ENDINGS = (".tif", ".ome.tif", ".nii", ".nii.gz", ".nrrd", ".h5", ".hdf5", ".zarr")
ORIENTED = (".nii", ".nii.gz", ".nrrd", ".h5", ".hdf5", ".zarr")
SHAPE = (5, 7, 9)


def oblique() -> np.ndarray:
    """Return an affine that is turned about two axes, with voxels of 0.5, 0.6, 2 mm."""
    a, b = np.cos(0.3), np.sin(0.3)
    c, d = np.cos(0.2), np.sin(0.2)
    turn = np.array([[a, -b, 0], [b, a, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -d], [0, d, c]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.5, 0.6, 2.0)
    affine[:3, 3] = 10, -20, 30
    return affine


def like(**changed) -> Volume:
    return Volume(
        **{
            "array": np.zeros((1, *SHAPE), np.float32),
            "spacing": (2.0, 0.6, 0.5),
            "unit": "mm",
            **changed,
        }
    )


def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("ending", ENDINGS)
def test_labels_and_their_voxel_size_survive(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_labels(path, labels(), like=like())
    found = read(path)
    assert np.array_equal(found.array[0], labels())
    assert found.array.dtype == np.uint8
    assert found.spacing == pytest.approx((2.0, 0.6, 0.5))
    assert found.unit == "mm"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ENDINGS)
def test_channels_survive(tmp_path, ending):
    values = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    path = tmp_path / f"a{ending}"
    write_image(path, values, like=like(unit="um"))
    found = read(path)
    assert np.array_equal(found.array, values)
    assert found.unit == "um"


@pytest.mark.parametrize("ending", ORIENTED)
def test_an_oblique_orientation_survives(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_labels(path, labels(), like=like(affine=oblique()))
    found = read(path)
    assert np.allclose(found.affine, oblique(), atol=1e-5)
    assert found.spacing == pytest.approx((2.0, 0.6, 0.5))
    assert np.array_equal(found.array[0], labels())


@pytest.mark.parametrize("first", ORIENTED)
@pytest.mark.parametrize("second", ORIENTED)
def test_an_orientation_survives_from_one_format_to_another(tmp_path, first, second):
    write_labels(tmp_path / f"a{first}", labels(), like=like(affine=oblique()))
    volume = read(tmp_path / f"a{first}")
    write_labels(tmp_path / f"b{second}", labels(), like=volume)
    assert np.allclose(read(tmp_path / f"b{second}").affine, oblique(), atol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_is_replaced_whole(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_labels(path, labels(), like=like())
    write_labels(path, labels() + 1, like=like())
    assert np.array_equal(read(path).array[0], labels() + 1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".tif", ".nii", ".nii.gz", ".nrrd", ".h5", ".zarr"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_stays_on_disk_is_read_as_what_does_not(tmp_path, ending, channels):
    values = np.random.default_rng(0).normal(size=(channels, *SHAPE))
    path = tmp_path / f"a{ending}"
    write_image(path, values.astype(np.float32), like=like(affine=None))
    whole, apart = read(path), open_volume(path, at_most=10)
    assert isinstance(whole.array, np.ndarray)
    assert isinstance(apart.array, on_disk.OnDisk)
    assert (apart.spacing, apart.unit) == (whole.spacing, whole.unit)
    assert apart.array.shape == whole.array.shape
    part = (slice(None), slice(1, 4), slice(0, 7), slice(8, 9))
    assert np.array_equal(apart.array[part], whole.array[part])
    assert np.array_equal(apart.array[:], whole.array)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".tif", ".nii", ".nii.gz", ".nrrd", ".h5", ".zarr"])
def test_another_process_opens_what_stays_on_disk_again(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_labels(path, labels(), like=like())
    volume = open_volume(path, at_most=10)
    sent = pickle.dumps(volume)
    assert len(sent) < 2000  # the way to the voxels, not the voxels
    in_a_child = subprocess.run(
        [sys.executable, "-c", _SUM],
        input=sent,
        capture_output=True,
        check=True,
    )
    assert in_a_child.stdout.split() == [b"OnDisk", str(labels().sum()).encode()]


_SUM = """
import pickle, sys
volume = pickle.load(sys.stdin.buffer)
print(type(volume.array).__name__, volume.array[:].sum())
"""


def test_voxels_of_no_file_cannot_be_sent():
    stored = on_disk.OnDisk(np.zeros((2, 3, 4)), "zyx")
    with pytest.raises(TypeError, match="no file"):
        pickle.dumps(stored)


def test_each_ending_is_of_one_format():
    assert len(set(formats.ENDINGS)) == len(formats.ENDINGS)
    assert formats.ending_of(Path("a.b.NII.gz")) == ".NII.gz"
    assert formats.ending_of(Path("a.png")) == ""
    assert formats.stem_of(Path("a.b.NII.gz")) == "a.b"
    assert formats.stem_of(Path("a.ome.tif")) == "a"
    assert formats.stem_of(Path(".zarr")) == ".zarr"
    assert formats.named(Path("a.hdf5")).name == "HDF5"
    assert formats.named(Path("nii")) is None


def test_a_held_block_serves_what_lies_inside_and_the_disk_the_rest(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    write_image(tmp_path / "a.zarr", values, like=like())
    array = open_volume(tmp_path / "a.zarr", at_most=10).array
    array.hold(slice(1, 4), slice(0, 5), slice(2, 9))
    reads = []
    read_again = array._read
    array._read = lambda key: reads.append(key) or read_again(key)
    inside = (slice(1, 2), slice(2, 4), slice(1, 5), slice(3, 9))
    assert np.array_equal(array[inside], values[inside])
    assert reads == []
    across = (slice(0, 2), slice(0, 2), slice(1, 5), slice(3, 9))
    assert np.array_equal(array[across], values[across])
    assert np.array_equal(array[:], values)
    assert len(reads) == 2


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", "<f4"])
def test_a_nrrd_file_of_another_library_stays_on_disk(tmp_path, encoding, kind):
    values = np.random.default_rng(0).integers(0, 99, SHAPE[::-1]).astype(kind)
    header = {"encoding": encoding, "spacings": [0.5, 0.6, 2.0]}
    nrrd.write(str(tmp_path / "a.nrrd"), values, header)
    whole, apart = (
        read(tmp_path / "a.nrrd"),
        open_volume(tmp_path / "a.nrrd", at_most=9),
    )
    assert isinstance(apart.array, on_disk.OnDisk)
    assert np.array_equal(apart.array[:], whole.array)
    assert apart.spacing == whole.spacing == (2.0, 0.6, 0.5)


def test_a_nrrd_file_that_unpacks_to_more_than_it_says_fills_no_disk(tmp_path):
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), np.ones(SHAPE, np.uint8), {"encoding": "gzip"})
    header = path.read_bytes().split(b"\n\n")[0]
    path.write_bytes(header + b"\n\n" + gzip.compress(bytes(50_000_000)))
    found = open_volume(path, at_most=9)
    assert found.array._source.base.size() == np.prod(SHAPE)
    assert not found.array[:].any()


def test_a_nrrd_file_with_its_voxels_elsewhere_is_read_whole(tmp_path):
    values = np.ones(SHAPE, np.uint8)
    nrrd.write(str(tmp_path / "a.nhdr"), values, {"encoding": "raw"})
    (tmp_path / "a.nhdr").rename(tmp_path / "a.nrrd")
    assert isinstance(open_volume(tmp_path / "a.nrrd", at_most=9).array, np.ndarray)


def test_a_nrrd_file_that_is_cut_short_is_told_on_disk_as_well(tmp_path):
    values = np.zeros(SHAPE, np.uint8)
    for encoding in ("raw", "gzip"):
        path = tmp_path / f"{encoding}.nrrd"
        nrrd.write(str(path), values, {"encoding": encoding})
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(UserError, match="damaged or cut short"):
            open_volume(path, at_most=9)


def test_what_is_small_is_read_into_memory(tmp_path):
    write_labels(tmp_path / "a.zarr", labels(), like=like())
    assert isinstance(
        open_volume(tmp_path / "a.zarr", at_most=10_000).array, np.ndarray
    )


def test_a_nrrd_file_of_slicer_is_turned_to_our_axes(tmp_path):
    """Slicer writes left-posterior-superior, x first."""
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)  # x, y, z
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([0.5, 0.6, 2.0]),
        "space origin": [-10, 20, 30],
        "kinds": ["domain"] * 3,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), values, header, index_order="F")
    found = read(tmp_path / "a.nrrd")
    assert np.array_equal(found.array[0], values.T)
    assert found.spacing == (2.0, 0.6, 0.5)
    assert found.unit == "mm"
    expected = np.diag([-0.5, -0.6, 2.0, 1.0])
    expected[:3, 3] = 10, -20, 30
    assert np.allclose(found.affine, expected)


def test_a_nrrd_file_with_vectors_has_channels(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5))  # c, x, y, z
    header = {
        "space": "right-anterior-superior",
        "space directions": [[np.nan] * 3, [1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "kinds": ["vector", "domain", "domain", "domain"],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), values, header, index_order="F")
    assert np.array_equal(read(tmp_path / "a.nrrd").array, values.transpose(0, 3, 2, 1))


def test_an_hdf5_file_of_ilastik_is_ordered_by_its_tags(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (4, 5, 6, 2)).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("exported_data", data=values)
        tags = {"axes": [{"key": key} for key in "xyzc"]}
        data.attrs["axistags"] = json.dumps(tags)
    assert np.array_equal(read(tmp_path / "a.h5").array, values.transpose(3, 2, 1, 0))


def test_an_hdf5_file_of_fiji_tells_its_voxel_size(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros(SHAPE, np.uint16)
        file["raw"].attrs["element_size_um"] = [0.5, 0.2, 0.2]
        file["note"] = np.zeros(3)
    found = read(tmp_path / "a.h5")
    assert (found.spacing, found.unit) == ((0.5, 0.2, 0.2), "um")


def test_an_hdf5_file_with_two_volumes_names_them(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = file["label"] = np.zeros(SHAPE, np.uint16)
    with pytest.raises(UserError, match=r"2 datasets .*/label, /raw.*a.h5:/label"):
        read(tmp_path / "a.h5")


def test_an_hdf5_file_is_not_followed_to_another_file(tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["secret"] = np.zeros(SHAPE, np.uint16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = h5py.ExternalLink("b.h5", "/secret")
    with pytest.raises(UserError, match="holds no dataset"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("version", [2, 3])
def test_an_ome_zarr_image_of_either_version(tmp_path, version):
    values = np.random.default_rng(0).integers(0, 9, (1, 2, *SHAPE)).astype(np.uint16)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
    for level, step in (("0", 1), ("1", 2)):
        part = values[..., ::step, ::step]
        array = group.create_array(level, shape=part.shape, dtype=part.dtype)
        array[...] = part
    scales = {
        "axes": [
            {"name": "t", "type": "time"},
            {"name": "c", "type": "channel"},
            *(
                {"name": n, "type": "space", "unit": "micrometer"}
                for n in ("z", "y", "x")
            ),
        ],
        "datasets": [
            {
                "path": level,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1, 1, 2.0, 0.5 * k, 0.5 * k]}
                ],
            }
            for level, k in (("0", 1), ("1", 2))
        ],
    }
    found = {"multiscales": [scales]}
    group.attrs.update(found if version == 2 else {"ome": found})
    volume = read(tmp_path / "a.zarr")
    assert np.array_equal(volume.array, values[0])
    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


def test_a_plain_zarr_array_is_a_volume(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, SHAPE).astype(np.uint8)
    zarr.save_array(str(tmp_path / "a"), values)
    assert np.array_equal(read(tmp_path / "a").array[0], values)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5, 6, 7), (2, 2, 3, 4, 5)])
def test_other_axes_are_refused(tmp_path, shape):
    zarr.save_array(str(tmp_path / "a.zarr"), np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"2-D|has axes"):
        read(tmp_path / "a.zarr")


def test_a_scaled_nifti_file_is_read_whole(tmp_path):
    image = nibabel.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, 1.0)
    image.to_filename(tmp_path / "a.nii")
    assert isinstance(open_volume(tmp_path / "a.nii", at_most=1).array, np.ndarray)


def test_a_compressed_tiff_stays_on_disk(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, SHAPE).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, compression="zlib")
    found = open_volume(tmp_path / "a.tif", at_most=10)
    assert isinstance(found.array, on_disk.OnDisk)
    assert np.array_equal(found.array[:, 2:4, 1:3, :], values[None, 2:4, 1:3, :])


@pytest.mark.parametrize(
    ("module", "ending", "package"),
    [("nrrd", ".nrrd", "pynrrd"), ("h5py", ".h5", "h5py"), ("zarr", ".zarr", "zarr")],
)
def test_a_missing_library_is_named_with_what_installs_it(
    monkeypatch, module, ending, package
):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UserError, match=rf"need {package}: pip install sparseseg\[io"):
        files.check_output(f"a{ending}")


_FULL_DISK = """
import resource, signal, sys
import numpy as np
from sparseseg.data.files import write_labels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
labels = np.random.default_rng(0).integers(0, 3, (60, 64, 64), np.uint8)
try:
    write_labels(sys.argv[1], labels, like=Volume(labels[None]))
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for files")
def test_hdf5_on_a_full_disk_is_told_and_ends_no_process(tmp_path):
    path = tmp_path / "a.h5"
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, path], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert not list(tmp_path.iterdir())
