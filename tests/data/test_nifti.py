import gzip
import sys
import tempfile

import numpy as np
import pytest

from sparseseg.data.files import (
    check_output,
    frames,
    open_volume,
    read,
    read_labels,
    write_image,
    write_labels,
)
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError

nibabel = pytest.importorskip("nibabel")

# x, y, z as NIfTI has it.
STACK = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)
# Turned by 30 degrees about z, voxels 0.5 x 0.75 x 2 mm, y to the left.
COS, SIN = np.sqrt(3) / 2, 0.5
OBLIQUE = np.array(
    [
        [0.5 * COS, -0.75 * SIN, 0, -10],
        [0.5 * SIN, 0.75 * COS, 0, 20],
        [0, 0, -2, 30],
        [0, 0, 0, 1],
    ]
)


@pytest.fixture
def path(tmp_path):
    image = nibabel.Nifti1Image(STACK, OBLIQUE)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(OBLIQUE, 1)
    image.set_sform(OBLIQUE, 4)
    image.header["descrip"] = b"scanner"
    image.header["cal_max"] = 500
    nibabel.save(image, tmp_path / "image.nii.gz")
    return tmp_path / "image.nii.gz"


def test_axes_spacing_unit_and_affine_are_read(path):
    volume = read(path)
    np.testing.assert_array_equal(volume.array[0], STACK.transpose(2, 1, 0))
    assert volume.array.dtype == np.int16
    assert volume.spacing == pytest.approx((2.0, 0.75, 0.5))
    assert volume.unit == "mm"
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-6)


@pytest.mark.parametrize("name", ["labels.nii", "labels.nii.gz"])
def test_labels_are_written_with_the_oblique_header_of_their_image(path, name):
    volume = read(path)
    labels = (volume.array[0] % 4).astype(np.uint8)
    write_labels(path.with_name(name), labels, volume)
    image, written = nibabel.load(path), nibabel.load(path.with_name(name))
    np.testing.assert_array_equal(written.dataobj, labels.T)
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(written.affine, image.affine)
    np.testing.assert_array_equal(written.get_qform(), image.get_qform())
    for field in ("pixdim", "xyzt_units", "qform_code", "sform_code", "descrip"):
        np.testing.assert_array_equal(written.header[field], image.header[field])
    assert written.header["cal_max"] == 0


def test_a_changed_affine_stands_over_the_header(path):
    volume = read(path)
    moved = Volume(volume.array, volume.spacing, affine=np.eye(4), header=volume.header)
    write_labels(path.with_name("moved.nii"), moved.array[0].astype(np.uint8), moved)
    np.testing.assert_array_equal(read(path.with_name("moved.nii")).affine, np.eye(4))


def test_channels_come_back_even_where_the_image_had_a_unit_of_time(path):
    volume = read(path)
    channels = np.stack([volume.array[0], -volume.array[0]]).astype(np.float32)
    write_image(path.with_name("channels.nii.gz"), channels, volume)
    again = read(path.with_name("channels.nii.gz"))
    np.testing.assert_array_equal(again.array, channels)
    assert again.spacing == pytest.approx(volume.spacing)


def test_a_time_series_is_refused_with_its_mend(path):
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4, 9), np.uint8), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    with pytest.raises(UserError, match="time axis of 9 points: add #t=0"):
        read(path)


def test_a_single_fourth_axis_is_dropped(path):
    nibabel.save(nibabel.Nifti1Image(STACK[..., None, None], np.eye(4)), path)
    assert read(path).array.shape == (1, 5, 6, 7)


def test_values_are_scaled_as_the_header_says(path):
    image = nibabel.Nifti1Image(np.float32([[[-1024, 0, 1024]]]), np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, path)
    assert read(path).array.dtype == np.float32
    np.testing.assert_allclose(read(path).array.ravel(), [-1024, 0, 1024], atol=0.05)


def series(path):
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4, 9), np.uint8), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return frames(f"{path}#t=all")


def scaled(path):
    image = nibabel.Nifti1Image(np.float32([[[-1024, 0, 1024]]]), np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, path)
    return open_volume(path, at_most=1).array.ravel()


def cut(path):
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:-200]))
    with pytest.raises(UserError, match="is cut short"):
        open_volume(path, at_most=1)


def damaged(path):
    packed = path.read_bytes()
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError):
        open_volume(path, at_most=1)


def whole(path):
    volume = open_volume(path, at_most=1)
    np.testing.assert_array_equal(volume.array[:][0], STACK.T)


@pytest.mark.parametrize("use", [series, scaled, cut, damaged, whole])
def test_no_unpacked_copy_is_left_behind(path, monkeypatch, use):
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent))
    use(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [">i2", "<f8", ">f4"])
def test_values_are_read_in_the_machine_s_byte_order(path, kind):
    header = nibabel.Nifti1Header(endianness=kind[0])
    header.set_data_dtype(kind)
    nibabel.save(nibabel.Nifti1Image(STACK.astype(kind), np.eye(4), header), path)
    volume = read(path)
    assert volume.array.dtype.isnative
    np.testing.assert_array_equal(volume.array[0], STACK.T)
    write_labels(path, volume.array[0].astype(np.uint8), volume)
    np.testing.assert_array_equal(read_labels(path, like=volume), STACK.T)


def test_a_large_header_is_read_and_written_as_such(path):
    nibabel.save(nibabel.Nifti2Image(STACK, OBLIQUE), path)
    volume = read(path)
    write_labels(path, volume.array[0].astype(np.uint8), volume)
    assert isinstance(nibabel.load(path), nibabel.Nifti2Image)
    np.testing.assert_array_equal(read(path).affine, volume.affine)


@pytest.mark.parametrize("name", ["image.tif", "image.nii", "image"])
def test_the_content_tells_the_format_and_not_the_name(path, name):
    renamed = path.rename(path.with_name(name))
    assert read(renamed).shape == (5, 6, 7)


def test_a_size_of_32_bits_is_the_number_a_person_would_write(path):
    nibabel.save(nibabel.Nifti1Image(STACK, np.diag([0.15, 0.1, 0.7265625, 1])), path)
    assert read(path).spacing == (0.7265625, 0.1, 0.15)


def test_a_header_without_a_unit_means_mm(path):
    nibabel.save(nibabel.Nifti1Image(STACK, np.eye(4)), path)
    assert read(path).unit == "mm"


@pytest.mark.parametrize(
    ("unit", "written", "factor"),
    [("um", "um", 1), ("nm", "um", 1e-3), ("mm", "mm", 1), ("cm", "mm", 10)],
)
def test_a_volume_from_tiff_keeps_its_size(tmp_path, unit, written, factor):
    like = Volume.from_array(np.zeros((5, 6, 7)), spacing=(2.0, 0.5, 0.25), unit=unit)
    write_labels(tmp_path / "a.nii", np.ones((5, 6, 7), np.uint8), like)
    volume = read(tmp_path / "a.nii")
    assert volume.unit == written
    assert volume.spacing == pytest.approx((2 * factor, 0.5 * factor, 0.25 * factor))
    assert volume.affine is None, "the TIFF did not say where it lies"
    sizes = np.diag(nibabel.load(tmp_path / "a.nii").affine)[:3]
    np.testing.assert_allclose(np.abs(sizes), volume.spacing[::-1])


def test_a_picture_and_colour_voxels_are_refused(path):
    nibabel.save(nibabel.Nifti1Image(STACK[..., 0], np.eye(4)), path)
    with pytest.raises(UserError, match="2-D"):
        read(path)
    colour = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), path)
    with pytest.raises(UserError, match="colour"):
        read(path)


def test_a_cut_file_is_refused(path):
    whole = path.read_bytes()
    for length in range(1, len(whole), 23):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read(path)


@pytest.mark.parametrize("name", ["huge.nii", "huge.nii.gz"])
def test_a_header_that_claims_a_huge_volume_is_refused_at_once(path, name):
    header = nibabel.Nifti1Header()
    header.set_data_shape((32000, 32000, 32000))
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = header.binaryblock + bytes(999)
    huge = path.with_name(name)
    huge.write_bytes(gzip.compress(content) if "gz" in name else content)
    with pytest.raises(UserError, match=r"too large|damaged"):
        read(huge)


def test_odd_headers_are_read_without_a_word(path, capfd):
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[252] = 99  # qform_code
    path.write_bytes(content)
    read(path)
    assert capfd.readouterr() == ("", "")


def test_without_nibabel_the_mend_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    for use in (read, check_output):
        with pytest.raises(UserError, match=r"pip install sparseseg\[io\]"):
            use(path)


@pytest.mark.parametrize("code", [0, 1])
def test_a_size_of_0_is_that_of_another_axis_and_told(path, code):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.set_qform(np.diag([1.0, 2, 3, 1]), code=code)
    raw = bytearray(image.to_bytes())
    raw[80:84] = np.float32(0).tobytes()  # pixdim[1], along x
    path.write_bytes(raw)
    with pytest.warns(
        Note, match=r"no voxel size along x \(0\): the size along y, 2 mm"
    ):
        volume = read(path)
    assert volume.spacing == (3.0, 2.0, 2.0)
    assert volume.affine is None
    write_labels(path.with_name("b.nii"), np.ones((5, 4, 3), np.uint8), like=volume)
    assert read(path.with_name("b.nii")).spacing == (3.0, 2.0, 2.0)
