import gzip

import numpy as np
import pytest
import tifffile

from sparseseg.data.files import (
    check_output,
    read,
    read_labels,
    read_truth,
    write_image,
    write_labels,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

LABELS = np.zeros((5, 6, 7), np.uint8)
LABELS[2] = 1
LABELS[2, 3] = 2


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.tif"


def save(path, values):
    tifffile.imwrite(path, values, photometric="minisblack", metadata={"axes": "ZYX"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"some text", "some other kind of file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(400), "PNG picture"),
        (b"\x89HDF\r\n\x1a\n", "damaged or cut short"),
        (b"NRRD0004\ntype: uint8\n", "damaged or cut short"),
        (bytes(128) + b"DICM", "cut short"),
        (bytes(344) + b"ni1\0", "half of a NIfTI pair"),
        (b"II*\0", "damaged or cut short"),
        (b"II*\0" + b"\xff" * 500, "cut short"),
        (gzip.compress(b"not a volume", mtime=0), "some other kind of file"),
        (gzip.compress(bytes(range(256)) * 2, mtime=0)[:99], "cannot read"),
        (b"\x1f\x8b" + b"x" * 99, "cannot read"),
        (bytes(344) + b"n+1\0" + bytes(999), "damaged or cut short"),
    ],
)
@pytest.mark.parametrize("name", ["some.tif", "some.nii.gz"])
def test_what_is_no_volume_is_refused_in_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none.tif: No such file"):
        read(tmp_path / "none.tif")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)


def test_a_name_may_be_a_string(path):
    save(path, LABELS)
    assert read(str(path)).shape == (5, 6, 7)


def test_labels_of_a_foreign_numbering_are_mapped(path):
    save(path, LABELS.astype(np.int32))
    mapped = read_labels(path, unlabelled=2, background=0)
    assert mapped.dtype == np.uint8
    assert [mapped[0, 0, 0], mapped[2, 0, 0], mapped[2, 3, 0]] == [255, 1, 0]


def test_labels_of_another_shape_than_the_image_are_refused(path):
    save(path, LABELS)
    image, other = (Volume(np.zeros((1, *shape))) for shape in ((5, 6, 7), (7, 6, 5)))
    assert read_labels(path, like=image).shape == (5, 6, 7)
    with pytest.raises(UserError, match=r"\(5, 6, 7\), the image has \(7, 6, 5\)"):
        read_labels(path, like=other)


def test_labels_that_are_the_image_are_refused_with_the_file_s_name(path):
    save(path, LABELS + np.float32(0.5))
    with pytest.raises(UserError, match=r"some.tif: labels are whole numbers, got 0.5"):
        read_labels(path)
    with pytest.raises(UserError, match=r"some.tif: labels are whole numbers, got 0.5"):
        read_truth(path)


def test_labels_with_channels_are_refused(path):
    stack = np.zeros((5, 2, 6, 7), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(UserError, match="has 2 channels"):
        read_labels(path)


def test_a_truth_keeps_0_as_background(path):
    save(path, LABELS.astype(np.float32))
    truth = read_truth(path)
    assert truth.dtype.kind == "i"
    np.testing.assert_array_equal(truth, LABELS)


def test_an_unknown_ending_is_refused_before_any_work(tmp_path):
    for name in ("a.png", "a", "tif"):
        with pytest.raises(
            UserError, match=r"use an ending of .tif, .tiff, .nii, .nii.gz"
        ):
            check_output(tmp_path / name)
    check_output(tmp_path / "a.NII.GZ")


def test_what_does_not_fit_the_volume_is_not_written(path):
    like = Volume.from_array(np.zeros((5, 6, 7)))
    with pytest.raises(UserError, match="cannot write"):
        write_labels(path, LABELS[1:], like)
    assert not path.exists()


def test_an_image_without_channels_is_written_as_float32(path):
    write_image(path, LABELS.astype(np.float64), Volume.from_array(LABELS))
    assert tifffile.imread(path).dtype == np.float32
