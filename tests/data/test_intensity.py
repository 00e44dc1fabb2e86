import numpy as np
import pytest

from sparseseg.data.intensity import (
    GreyCurve,
    channel_of,
    equalising,
    is_ct,
    own_scale,
    painted_greys,
    rescaling,
)
from sparseseg.data.on_disk import OnDisk
from sparseseg.errors import UserError

FITS = pytest.mark.parametrize("fit", [equalising, rescaling])


def test_a_curve_is_linear_between_its_knots_and_flat_beyond():
    curve = GreyCurve((0.0, 10.0, 20.0), (-1.0, 0.0, 4.0))
    found = curve(np.array([-5, 0, 5, 15, 20, 99]))
    np.testing.assert_allclose(found, [-1, -1, -0.5, 2, 4, 4])
    assert found.dtype == np.float32


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", ">i2"])
def test_small_integers_are_looked_up_as_they_would_be_interpolated(kind):
    curve = GreyCurve((-100.0, 0.0, 30.0), (-2.0, 0.0, 5.0))
    grey = np.arange(-128, 128).astype(kind)
    expected = curve(grey.astype(np.float64))
    np.testing.assert_array_equal(curve(grey), expected)
    assert curve(grey).dtype == np.float32


def test_a_straighter_curve_is_half_way_to_the_line_between_its_ends():
    # The line is at -2 + 4 * 1 / 10 where the curve is at 1.
    curve = GreyCurve((0.0, 1.0, 10.0), (-2.0, 1.0, 2.0)).straighter()
    assert curve.knots == (0.0, 1.0, 10.0)
    np.testing.assert_allclose(curve.values, (-2.0, (1.0 - 1.6) / 2, 2.0))


def test_a_curve_keeps_its_shape_between_other_ends():
    curve = GreyCurve((0.0, 10.0, 20.0), (-2.0, -1.0, 2.0)).reaching(0.0, 1.0)
    np.testing.assert_allclose(curve(np.array([0, 10, 20])), [0, 0.25, 1])


def test_what_is_not_a_number_becomes_the_darkest_and_infinity_the_end():
    curve = GreyCurve((0.0, 10.0), (-1.0, 1.0))
    found = curve(np.array([np.nan, -np.inf, np.inf], np.float32))
    np.testing.assert_array_equal(found, [-1, -1, 1])


def test_doubles_beyond_single_precision_are_clipped_without_a_warning():
    found = GreyCurve((0.0, 10.0), (-1.0, 1.0))(np.array([-1e300, 1e300]))
    np.testing.assert_array_equal(found, [-1, 1])


def test_equalising_spreads_evenly_filled_values_linearly():
    curve = equalising([np.arange(129)])
    np.testing.assert_allclose(curve(np.array([0, 32, 64, 128])), [-2, -1, 0, 2])


def test_equalising_gives_contrast_by_share_of_the_volume_whatever_the_outlier():
    grey = np.concatenate([np.arange(1000.0), [1e6]])
    np.testing.assert_allclose(equalising([grey])(np.array([500.0])), [0], atol=0.01)


def test_equalising_never_turns_the_order_of_grey_values():
    grey = np.random.default_rng(0).integers(0, 5, (4, 5, 6)) ** 3
    curve = equalising([grey])
    assert (np.diff(curve(np.unique(grey))) > 0).all()


def test_rescaling_puts_the_percentiles_at_nought_and_one_and_clips():
    curve = rescaling([np.arange(1001)])
    np.testing.assert_allclose(curve(np.array([0, 1, 500, 1000])), [0, 0, 0.5, 1])


def test_rescaling_keeps_one_bright_voxel_in_a_constant_image():
    grey = np.zeros(10_000)
    grey[5] = 7
    np.testing.assert_array_equal(rescaling([grey])(np.array([0, 7])), [0, 1])


@FITS
def test_all_volumes_are_fitted_together(fit):
    assert fit([np.arange(50), np.arange(50, 101)]) == fit([np.arange(101)])


@FITS
def test_values_that_are_no_numbers_do_not_move_the_curve(fit):
    grey = np.arange(101.0)
    assert fit([np.append(grey, [np.nan, np.inf, -np.inf])]) == fit([grey])


@FITS
@pytest.mark.parametrize(
    ("grey", "words"),
    [(np.full(9, 3.5), "3.5 everywhere"), (np.full(9, np.nan), "no finite value")],
)
def test_an_image_without_structure_is_refused(fit, grey, words):
    with pytest.raises(UserError, match=words):
        fit([grey])


def test_curves_of_large_channels_are_fitted_to_voxels_spread_over_all_of_them():
    grey = np.arange(2_000_000)
    np.testing.assert_allclose(equalising([grey])(np.array([1e6])), [0], atol=0.01)


GREY = np.random.default_rng(1).gamma(2.0, 20.0, (2, 9, 10, 11))


@pytest.mark.parametrize(
    "change", [lambda g: 3 * g + 1700, lambda g: g / 10, lambda g: g]
)
def test_the_own_scale_of_a_volume_moves_with_its_grey_values(change):
    expected = own_scale(GREY, 1)(GREY[1])
    found = own_scale(change(GREY), 1)(change(GREY[1]))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_padding_is_dark_and_does_not_count_as_brightness():
    padded = np.pad(GREY, ((0, 0), (0, 0), (5, 5), (5, 5)))
    found, expected = own_scale(padded, 0), own_scale(GREY, 0)
    assert found.zero == 0
    assert found.unit == pytest.approx(expected.unit + expected.zero, rel=0.05)


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_volume_of_one_value_still_has_a_scale(value):
    scale = own_scale(np.full((1, 3, 4, 5), value), 0)
    assert scale.unit == 1


def test_a_curve_of_a_scale_is_moved_to_the_grey_values_of_a_file():
    curve = GreyCurve((0.0, 1.0, 2.0), (-1.0, 0.0, 4.0))
    scale = own_scale(GREY, 0)
    np.testing.assert_allclose(curve.on(scale)(GREY), curve(scale(GREY)), atol=1e-5)


NOISE = np.random.default_rng(0).integers(0, 99, (5, 6, 7)).astype(np.uint16)


def test_a_channel_of_a_small_image_on_disk_is_the_channel():
    np.testing.assert_array_equal(channel_of(OnDisk(NOISE, "zyx"), 0), NOISE)


def test_axes_of_an_image_on_disk_that_are_not_named_are_read_whole():
    disk = OnDisk(NOISE, "zyx")
    np.testing.assert_array_equal(disk[0:1, 1:3], NOISE[None, 1:3])
    disk.hold(slice(0, 4), slice(0, 6), slice(0, 7))
    np.testing.assert_array_equal(disk[0:1, 1:3], NOISE[None, 1:3])


def test_of_a_large_image_on_disk_few_planes_are_read():
    grey = np.broadcast_to(np.arange(200, dtype=np.uint16)[:, None, None], (200, 4, 5))
    sample = channel_of(OnDisk(grey, "zyx"), 0)
    assert sample.shape == (48, 4, 5)
    assert (sample.min(), sample.max()) == (0, 199)


def test_painted_greys_on_disk_are_those_in_memory():
    painted = np.zeros(NOISE.shape, np.uint8)
    painted[1, :2], painted[4, 3], painted[2, 0] = 1, 3, 255
    found = [
        painted_greys(array, 0, painted, [1, 3])
        for array in (NOISE[None], OnDisk(NOISE, "zyx"))
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], [*NOISE[1, :2].ravel(), *NOISE[4, 3]])
    assert not painted_greys(OnDisk(NOISE, "zyx"), 0, painted, [7]).size


class Counted:
    """A source that counts the voxels that are read of it."""

    shape, dtype = NOISE.shape, NOISE.dtype

    def __init__(self):
        self.read = 0

    def __getitem__(self, places):
        found = NOISE[places]
        self.read += found.size
        return found


def test_what_is_sampled_of_a_file_is_read_once():
    source = Counted()
    disk = OnDisk(source, "zyx")
    first = own_scale(disk, 0)
    read = source.read
    assert own_scale(disk, 0) == first
    assert 0 < source.read == read


def test_of_a_painted_plane_only_the_part_round_the_paint_is_read():
    source = Counted()
    painted = np.zeros(NOISE.shape, np.uint8)
    painted[2, 1:3, 4] = 1
    found = painted_greys(OnDisk(source, "zyx"), 0, painted, [1])
    np.testing.assert_array_equal(found, NOISE[2, 1:3, 4])
    assert source.read == 2


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(-1024, 1500, True), (-3024, 3071, True), (-900, -600, False), (0, 900, False)],
)
def test_hounsfield_units_run_from_air_beyond_water(low, high, found):
    assert is_ct(np.array([low, (low + high) // 2, high], np.int16)) is found
