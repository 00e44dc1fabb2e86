"""Files opened by napari through us: each layer is checked against its file."""

from pathlib import Path

import dask.array
import h5py
import nibabel
import npe2
import nrrd
import numpy as np
import pytest
import zarr
from napari.layers import Layer
from napari.settings import get_settings
from napari.utils.notifications import notification_manager

from sparseseg.data import optional
from sparseseg.widgets import readers
from sparseseg.widgets.file_facts import FACTS
from sparseseg.widgets.geometry import volume_of

LPS = np.diag([-0.5, -0.5, 2.0, 1.0])
NOISE = np.random.default_rng(0).integers(-100, 100, (8, 10, 12)).astype(np.int16)


def nifti(folder: Path, array=NOISE, affine=LPS, name="scan.nii.gz", code=2) -> Path:
    """Write z, y, x voxels as NIfTI."""
    image = nibabel.Nifti1Image(array.T, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    image.to_filename(folder / name)
    return folder / name


def opened(path: Path) -> Layer:
    (data,) = readers.get_reader(str(path))(str(path))
    return Layer.create(*data)


def test_a_nifti_file_opens_with_its_name_size_unit_and_axes(tmp_path):
    layer = opened(nifti(tmp_path))

    assert layer.name == "scan"
    assert np.abs(layer.scale).tolist() == [2, 0.5, 0.5]
    assert {str(unit) for unit in layer.units} == {"millimeter"}
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(layer.data, NOISE)


def write_nrrd(path: Path) -> None:
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1, 1, 3]),
    }
    nrrd.write(str(path), NOISE.T, header | {"space origin": [0, 0, 0]})


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = NOISE
        file["data"].attrs["element_size_um"] = (3.0, 1.0, 1.0)


def write_zarr(path: Path) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=NOISE)
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    scale = {"type": "scale", "scale": [3.0, 1.0, 1.0]}
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [dataset]}
    ]


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.nrrd", write_nrrd), ("a.h5", write_hdf5), ("a.zarr", write_zarr)],
)
def test_other_formats_open_with_their_voxel_size(name, write, tmp_path):
    write(tmp_path / name)

    layer = opened(tmp_path / name)

    assert (layer.name, np.abs(layer.scale).tolist()) == ("a", [3, 1, 1])
    np.testing.assert_array_equal(layer.data, NOISE)


@pytest.mark.parametrize("z", [2.0, -2.0], ids=["feet to head", "head to feet"])
def test_the_head_is_at_the_top_whatever_the_order_of_the_file(z, tmp_path):
    layer = opened(nifti(tmp_path, affine=np.diag([-0.5, -0.5, z, 1])))

    head, feet = (7, 0) if z > 0 else (0, 7)
    rows = [layer.data_to_world((index, 0, 0))[0] for index in (head, feet)]
    assert rows == [0, 14]  # napari draws small numbers at the top


def test_the_patients_right_is_at_the_left_and_the_face_at_the_top(tmp_path):
    layer = opened(nifti(tmp_path, affine=np.diag([0.5, 0.5, 2, 1])))  # RAS

    _, face, right = layer.data_to_world((0, 9, 11))
    assert (face, right) == (0, 0)


def test_an_oblique_scan_is_shown_in_its_voxel_axes(tmp_path):
    c, s = np.cos(0.3), np.sin(0.3)
    tilt = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])

    layer = opened(nifti(tmp_path, affine=tilt @ LPS))

    np.testing.assert_array_equal(layer.affine.linear_matrix, np.eye(3))
    np.testing.assert_allclose(np.abs(layer.scale), [2, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(layer.metadata[FACTS].affine, tilt @ LPS, atol=1e-6)


def test_without_a_code_a_nifti_header_says_no_orientation(tmp_path):
    path = nifti(tmp_path, code=0)

    layer = opened(path)

    assert layer.metadata[FACTS].anatomy is None
    assert (layer.scale > 0).all()


def test_channels_come_as_a_first_axis_that_is_named(tmp_path):
    path = nifti(tmp_path, np.stack([NOISE, NOISE]))

    layer = opened(path)

    assert layer.data.shape == (2, 8, 10, 12)
    assert layer.axis_labels == ("channel", "z", "y", "x")


def test_a_ct_is_shown_in_the_window_of_soft_tissue(tmp_path):
    ct = np.full((8, 10, 12), -1000, np.int16)
    ct[:, 2:8, 2:9] = np.random.default_rng(0).normal(60, 30, (8, 6, 7))
    ct[:, 4, 4] = 900

    assert opened(nifti(tmp_path, ct)).contrast_limits == [-160, 240]


def test_an_mr_scan_is_shown_without_its_outliers(tmp_path):
    scan = np.random.default_rng(0).normal(500, 50, (8, 40, 40)).astype(np.float32)
    scan[4, 20, 20] = 60_000

    assert opened(nifti(tmp_path, scan)).contrast_limits[1] < 1000


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_areas_of_whole_numbers_open_as_labels(kind, tmp_path):
    labels = np.zeros((8, 10, 12), kind)
    labels[:, 2:5, 2:5], labels[:, 6:9, 2:5] = 1, 2

    layer = opened(nifti(tmp_path, labels))

    assert layer._type_string == "labels"
    assert layer.data.max() == 2


def test_sparse_strokes_open_as_labels_by_the_name_of_the_file(tmp_path):
    strokes = np.zeros((8, 10, 12), np.uint8)
    assert opened(nifti(tmp_path, strokes, name="a.nii"))._type_string == "image"

    layer = opened(nifti(tmp_path, strokes, name="my-annotation.nii"))

    assert layer._type_string == "labels"


def test_a_slice_reads_only_the_blocks_that_it_touches(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "IN_MEMORY", 100)
    path = tmp_path / "cells.zarr"
    shape, blocks = (40, 80, 90), (32, 40, 48)
    zarr.create_array(path, shape=shape, chunks=blocks, dtype=np.uint16)

    assert opened(path).data.chunksize == blocks


def test_rows_are_whole_where_blocks_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "IN_MEMORY", 100)
    path = tmp_path / "cells.zarr"
    zarr.create_array(path, shape=(40, 80, 90), chunks=(1, 1, 90), dtype=np.uint16)

    assert opened(path).data.chunksize == (1, 80, 90)


def test_what_is_too_large_stays_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "IN_MEMORY", 100)

    layer = opened(nifti(tmp_path, name="scan.nii"))

    assert isinstance(layer.data, dask.array.Array)
    np.testing.assert_array_equal(layer.data[:, 3, ::2], NOISE[:, 3, ::2])
    assert layer.data[-1, 4, 5].compute() == NOISE[-1, 4, 5]
    assert volume_of(layer).array is layer.metadata[FACTS].stored


def test_voxels_that_were_changed_are_not_taken_from_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "IN_MEMORY", 100)
    layer = opened(nifti(tmp_path, name="scan.nii"))

    layer.data = -layer.data

    array = volume_of(layer).array
    assert array is not layer.metadata[FACTS].stored
    np.testing.assert_array_equal(np.asarray(array)[0], -NOISE)


def test_a_damaged_file_is_told_in_one_sentence_and_no_other_reader_is_tried(tmp_path):
    path = nifti(tmp_path, name="cut.nii")
    path.write_bytes(path.read_bytes()[:500])
    told = len(notification_manager.records)

    assert readers.get_reader(str(path))(str(path)) == [(None,)]

    (note,) = notification_manager.records[told:]
    assert str(path) in note.message
    assert "\n" not in note.message


def test_a_missing_library_is_told_with_the_command(tmp_path, monkeypatch):
    path = nifti(tmp_path)

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(optional, "import_module", missing)
    told = len(notification_manager.records)

    readers.get_reader(str(path))(str(path))

    (note,) = notification_manager.records[told:]
    assert "pip install" in note.message
    assert "sparseseg[io]" in note.message


def test_other_folders_are_left_to_napari(tmp_path, monkeypatch):
    asked = []

    def read(paths, *, plugin_name, stack):
        asked.append((paths, plugin_name))
        return [(NOISE,)]

    monkeypatch.setattr(readers, "read_with_plugin", read)

    assert readers.get_reader(str(tmp_path))(str(tmp_path)) == [(NOISE,)]
    assert asked == [([str(tmp_path)], "napari")]


def test_once_in_use_napari_asks_no_more_who_reads_a_nifti_file():
    plugins = get_settings().plugins
    plugins.extension2reader = {"*.nrrd": "other"}

    readers.prefer()

    assert plugins.extension2reader["*.nii.gz"] == "sparseseg"
    assert plugins.extension2reader["*.nrrd"] == "other"  # as the user chose


MANIFEST = npe2.PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml")


def test_where_napari_asks_for_a_reader_ours_is_the_first():
    assert min("napari builtins", MANIFEST.display_name) == MANIFEST.display_name


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.nrrd", "a.hdf5"])
def test_napari_finds_the_reader(name, npe2pm, tmp_path):
    with npe2pm.tmp_plugin(manifest=MANIFEST):
        (tmp_path / name).touch()
        found = npe2pm.iter_compatible_readers(str(tmp_path / name))
        assert [reader.command for reader in found] == ["sparseseg.read"]
