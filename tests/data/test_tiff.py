import subprocess
import sys

import numpy as np
import pytest
import tifffile

from sparseseg.data.files import read, write_image, write_labels
from sparseseg.data.formats import tiff
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError

STACK = np.arange(5 * 6 * 7).reshape(5, 6, 7)
CHANNELS = np.arange(2 * 5 * 6 * 7).reshape(2, 5, 6, 7)
GREY = {"photometric": "minisblack"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stack.tif"


def test_a_plain_multi_page_stack_is_z_y_x_of_unknown_size(path):
    tifffile.imwrite(path, STACK.astype(np.uint16), metadata=None, **GREY)
    volume = read(path)
    np.testing.assert_array_equal(volume.array, STACK[None])
    assert (volume.spacing, volume.unit) == ((1.0, 1.0, 1.0), "pixel")
    assert volume.name == "stack.tif"


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_a_few_plain_slices_are_not_taken_for_colour(path, planes):
    with tifffile.TiffWriter(path) as file:
        for plane in STACK[:planes].astype(np.uint8):
            file.write(plane, contiguous=False, metadata=None)
    assert read(path).array.shape == (1, planes, 6, 7)


def test_three_planes_that_tifffile_saved_as_colour_are_slices(path):
    planar = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(path, STACK[:3].astype(np.uint8), **planar)
    assert read(path).array.shape == (1, 3, 6, 7)


@pytest.mark.parametrize(
    "kind",
    ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">f4"],
)
def test_all_numbers_are_read_in_the_machine_s_byte_order(path, kind):
    order = ">" if kind.startswith(">") else "<"
    stack = (STACK % 100).astype(kind)
    tifffile.imwrite(path, stack, byteorder=order, metadata={"axes": "ZYX"}, **GREY)
    array = read(path).array
    np.testing.assert_array_equal(array[0], STACK % 100)
    assert array.dtype.isnative
    assert array.dtype == np.dtype(kind).newbyteorder("=")


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_spacing_and_unit_are_kept(path, unit):
    tifffile.imwrite(
        path,
        STACK.astype(np.uint8),
        imagej=True,
        resolution=(1 / 0.12679, 1 / 0.25),
        metadata={"axes": "ZYX", "spacing": 0.28372, "unit": unit},
    )
    volume = read(path)
    assert volume.spacing == (0.28372, 0.25, 0.12679)
    assert volume.unit == "um"


def test_imagej_leaves_out_a_z_spacing_of_1(path):
    metadata = {"axes": "ZYX", "unit": "um"}
    stack = STACK.astype(np.uint8)
    tifffile.imwrite(path, stack, imagej=True, resolution=(2, 2), metadata=metadata)
    assert read(path).spacing == (1.0, 0.5, 0.5)


def test_an_imagej_hyperstack_has_its_channels_first(path):
    stack = np.moveaxis(CHANNELS, 0, 1).astype(np.uint16)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(read(path).array, CHANNELS)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_ome_axes_names_sizes_and_units_are_kept(path, axes):
    order = [axes.index(a) for a in "CZYX"]
    tifffile.imwrite(
        path,
        CHANNELS.transpose(np.argsort(order)).astype(np.uint16),
        ome=True,
        metadata={
            "axes": axes,
            "Channel": {"Name": ["DAPI", "Cy3"]},
            "PhysicalSizeZ": 2.0,
            "PhysicalSizeZUnit": "µm",
            "PhysicalSizeY": 500.0,
            "PhysicalSizeYUnit": "nm",
            "PhysicalSizeX": 250.0,
            "PhysicalSizeXUnit": "nm",
        },
        **GREY,
    )
    volume = read(path)
    np.testing.assert_array_equal(volume.array, CHANNELS)
    assert volume.spacing == pytest.approx((2000.0, 500.0, 250.0))
    assert volume.unit == "nm"
    assert volume.channel_names == ("DAPI", "Cy3")


def test_ome_without_a_z_size_keeps_the_others_and_says_what_stands_in(path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, STACK.astype(np.uint8), ome=True, metadata=metadata)
    with pytest.warns(Note, match=r"no voxel size along z .* along y, 0.5 um, is used"):
        volume = read(path)
    assert (volume.spacing, volume.unit) == ((0.5, 0.5, 0.5), "um")


@pytest.mark.parametrize(
    ("unit", "sizes", "spacing", "found"),
    [
        ("Å", (20, 5, 5), (2.0, 0.5, 0.5), "nm"),
        ("pm", (2000, 500, 500), (2.0, 0.5, 0.5), "nm"),
        ("dm", (0.2, 0.05, 0.05), (2.0, 0.5, 0.5), "cm"),
        ("in", (1, 0.5, 0.5), (25.4, 12.7, 12.7), "mm"),
        ("pixel", (3, 1, 1), (3.0, 1.0, 1.0), "pixel"),
    ],
)
def test_each_unit_of_ome_is_a_length_of_ours(path, unit, sizes, spacing, found):
    metadata = {"axes": "ZYX"}
    for axis, size in zip("ZYX", sizes, strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(path, STACK.astype(np.uint8), ome=True, metadata=metadata)
    volume = read(path)
    assert volume.spacing == pytest.approx(spacing)
    assert volume.unit == found


def test_a_z_step_that_runs_down_has_a_size(path):
    metadata = {"axes": "ZYX", "spacing": -2.0, "unit": "um"}
    stack = STACK.astype(np.uint8)
    tifffile.imwrite(path, stack, imagej=True, resolution=(2, 2), metadata=metadata)
    assert read(path).spacing == (2.0, 0.5, 0.5)


def test_colour_becomes_channels_only_where_the_axes_say_so(path):
    colour = np.moveaxis(np.stack([STACK] * 3), 0, -1).astype(np.uint8)
    tifffile.imwrite(path, colour, imagej=True, metadata={"axes": "ZYXS"})
    assert read(path).array.shape == (3, 5, 6, 7)


@pytest.mark.parametrize("axes", ["TYX", "TZYX"])
def test_a_time_axis_is_named_with_its_mend(path, axes):
    stack = CHANNELS if len(axes) == 4 else STACK
    stack = stack.astype(np.uint8)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": axes})
    points = len(stack)
    with pytest.raises(UserError, match=f"time axis of {points} points.*re-order"):
        read(path)


def test_a_single_time_point_is_dropped(path):
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(path, STACK[None].astype(np.uint8), metadata=metadata, **GREY)
    assert read(path).array.shape == (1, 5, 6, 7)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 7), {}),
        ((6, 7, 3), {"photometric": "rgb"}),
        ((2, 6, 7), {"imagej": True, "metadata": {"axes": "CYX"}}),
    ],
)
def test_a_picture_is_refused(path, shape, options):
    tifffile.imwrite(path, np.zeros(shape, np.uint8), **options)
    with pytest.raises(UserError, match=r"2-D picture.*save its slices as one stack"):
        read(path)


def test_four_axes_without_names_are_refused(path):
    tifffile.imwrite(path, CHANNELS.astype(np.uint8), **GREY)
    with pytest.raises(UserError, match="meaning is not known"):
        read(path)


def test_two_volumes_in_one_file_are_refused(path):
    with tifffile.TiffWriter(path) as file:
        for stack in (STACK, STACK[:, :4]):
            file.write(stack.astype(np.uint8), metadata={"axes": "ZYX"}, **GREY)
    with pytest.raises(UserError, match="holds 2 volumes"):
        read(path)


def like(shape=(5, 6, 7), unit="um"):
    return Volume.from_array(
        np.zeros(shape), spacing=(0.28372, 0.25, 0.12679), unit=unit
    )


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.ome.tif"])
@pytest.mark.parametrize("unit", ["um", "nm", "mm", "pixel"])
def test_labels_come_back_with_spacing_and_unit(tmp_path, name, unit):
    labels = STACK.astype(np.uint8)
    write_labels(tmp_path / name, labels, like(unit=unit))
    volume = read(tmp_path / name)
    np.testing.assert_array_equal(volume.array[0], labels)
    assert volume.array.dtype == np.uint8
    if unit != "pixel" or "ome" not in name:
        assert volume.spacing == (0.28372, 0.25, 0.12679)
        assert volume.unit == unit


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_channels_come_back_in_their_order(tmp_path, name):
    write_image(tmp_path / name, CHANNELS.astype(float), like())
    volume = read(tmp_path / name)
    np.testing.assert_array_equal(volume.array, CHANNELS)
    assert volume.array.dtype == np.float32


def test_what_classic_tiff_cannot_hold_is_big_ome(path, monkeypatch):
    monkeypatch.setattr(tiff, "_CLASSIC_LIMIT", 100)
    write_labels(path, STACK.astype(np.uint8), like())
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.is_ome
    assert read(path).spacing == (0.28372, 0.25, 0.12679)


def test_labels_are_small_and_imagej_knows_them(path):
    write_labels(path, np.zeros((50, 60, 70), np.uint8), like((50, 60, 70)))
    assert path.stat().st_size < 20_000
    with tifffile.TiffFile(path) as file:
        assert file.imagej_metadata["unit"] == "um"
        assert file.series[0].axes == "ZYX"


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"metadata": {"axes": "ZYX"}, "compression": "zlib"},
        {"metadata": None},
    ],
)
def test_a_cut_file_is_refused_and_never_read_as_something_else(path, options):
    stack = np.random.default_rng(0).integers(0, 255, (5, 9, 9)).astype(np.uint8)
    tifffile.imwrite(path, stack, **options, **GREY)
    whole = path.read_bytes()
    for length in range(1, len(whole), 101):
        path.write_bytes(whole[:length])
        try:
            found = read(path).array[0]
        except UserError:
            continue
        np.testing.assert_array_equal(found, stack)


def test_an_ome_file_that_names_missing_pages_is_refused(path):
    tifffile.imwrite(path, STACK.astype(np.uint8), ome=True, metadata={"axes": "ZYX"})
    content = path.read_bytes().replace(b'SizeZ="5"', b'SizeZ="9"')
    path.write_bytes(content.replace(b'PlaneCount="5"', b'PlaneCount="9"'))
    with pytest.raises(UserError):
        read(path)


def test_zlib_is_read_and_written_without_imagecodecs(tmp_path):
    code = f"""
import sys
sys.modules["imagecodecs"] = None
import numpy as np
from sparseseg.data.files import read, write_labels
from sparseseg.data.samples import ovule_nuclei
sample = ovule_nuclei()
write_labels({str(tmp_path / "a.tif")!r}, sample.annotation, sample.volume)
assert (read({str(tmp_path / "a.tif")!r}).array[0] == sample.annotation).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
