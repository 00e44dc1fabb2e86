"""Layers saved by napari through us, and read again."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer

from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.files import read
from sparseseg.errors import UserError
from sparseseg.widgets import readers
from sparseseg.widgets.geometry import placement_of, set_voxel_size
from sparseseg.widgets.layer_kinds import CLASSES
from sparseseg.widgets.writers import write_image, write_labels

TILTED = np.array([[0, -0.6, 0.8, 7], [0.5, 0, 0, 8], [0, 0.8, 0.6, 9], [0, 0, 0, 1]])
LABELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def saved(layer: Layer, path: Path) -> Path:
    data, meta, kind = layer.as_layer_data_tuple()
    (written,) = (write_labels if kind == "labels" else write_image)(
        str(path), data, meta
    )
    return Path(written)


@pytest.fixture
def scan(tmp_path) -> Image:
    """A tilted scan opened by us."""
    noise = np.random.default_rng(0).normal(0, 50, (4, 3, 2)).astype(np.int16)
    image = nibabel.Nifti1Image(noise, TILTED)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"liver"
    image.to_filename(tmp_path / "scan.nii.gz")
    (data,) = readers.read_layers(str(tmp_path / "scan.nii.gz"))
    return Layer.create(*data)


@pytest.mark.parametrize(
    "ending", [".nii.gz", ".nii", ".nrrd", ".h5", ".zarr", ".tif", ".ome.tif"]
)
def test_labels_on_a_layer_keep_its_voxel_size_and_unit(ending, tmp_path):
    layer = Labels(LABELS, scale=(3, -0.5, 0.25), units=("um",) * 3)

    volume = read(saved(layer, tmp_path / f"out{ending}"))

    assert volume.spacing == pytest.approx((3, 0.5, 0.25))
    assert volume.unit == "um"
    np.testing.assert_array_equal(volume.array[0], LABELS)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".h5", ".zarr"])
def test_labels_made_on_a_scan_lie_where_it_lies(ending, scan, tmp_path):
    labels = Labels(LABELS, **placement_of(scan))

    volume = read(saved(labels, tmp_path / f"out{ending}"))

    np.testing.assert_allclose(volume.affine, TILTED, atol=1e-6)


def test_a_nifti_file_keeps_the_header_of_its_image(scan, tmp_path):
    labels = Labels(LABELS, **placement_of(scan))

    written = nibabel.load(saved(labels, tmp_path / "out.nii.gz")).header

    assert bytes(written["descrip"]).rstrip(b"\0") == b"liver"
    np.testing.assert_allclose(written.get_sform(), TILTED, atol=1e-6)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".tif", ".ome.tif", ".zarr"])
def test_an_image_keeps_its_type(ending, scan, tmp_path):
    volume = read(saved(scan, tmp_path / f"out{ending}"))

    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array[0], scan.data)


def test_a_corrected_voxel_size_stretches_the_orientation(scan, tmp_path):
    z, y, x = np.linalg.norm(TILTED[:3, :3], axis=0)[::-1]
    set_voxel_size([scan], (2 * z, y, x), "mm")
    labels = Labels(LABELS, **placement_of(scan))

    volume = read(saved(labels, tmp_path / "out.nii.gz"))

    assert volume.spacing == pytest.approx((2 * z, y, x))
    np.testing.assert_allclose(volume.affine[:3, 2], 2 * TILTED[:3, 2], atol=1e-6)


def test_a_name_without_an_ending_gets_that_of_the_image(scan, tmp_path):
    assert saved(scan, tmp_path / "copy") == tmp_path / "copy.nii.gz"


def test_a_layer_is_never_written_onto_its_own_file(scan, tmp_path):
    before = (tmp_path / "scan.nii.gz").read_bytes()

    with pytest.raises(UserError, match="choose another name"):
        saved(Labels(LABELS, **placement_of(scan)), tmp_path / "scan.nii.gz")

    assert (tmp_path / "scan.nii.gz").read_bytes() == before


def test_many_objects_are_written_with_all_their_numbers(tmp_path):
    objects = np.arange(24, dtype=np.int64).reshape(2, 3, 4) * 1000

    volume = read(saved(Labels(objects), tmp_path / "out.nii.gz"))

    np.testing.assert_array_equal(volume.array[0], objects)


def test_what_is_no_volume_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="'flat' is not one volume"):
        saved(Labels(LABELS[0], name="flat"), tmp_path / "out.nii")


def test_names_and_colours_of_classes_are_saved_and_come_back(tmp_path):
    table = ClassTable((LabelClass(3, "nucleus", "#12ab34"),))
    layer = Labels(LABELS, name="a", metadata={CLASSES: table.to_json()})

    path = saved(layer, tmp_path / "a.nii.gz")
    (data,) = readers.read_layers(str(path))
    again = Layer.create(*data)

    assert ClassTable.from_json(again.metadata[CLASSES]) == table
    assert again.get_color(3)[:3] == pytest.approx([0x12 / 255, 0xAB / 255, 0x34 / 255])
