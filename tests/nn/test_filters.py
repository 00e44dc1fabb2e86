import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sparseseg.nn import filters
from sparseseg.nn.filters import (
    filter_bank,
    filter_count,
    filter_grid,
    filter_halo,
    strides,
)

CUBE = (1.0, 1.0, 1.0)
BLUR, SLOPE, LARGEST, SMALLEST = 1, 2, 3, 5  # of the first octave


def grid(*shape):
    return torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij")


def test_octaves_halve_all_axes_of_cubic_voxels():
    assert strides(CUBE) == [(1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8)]


def test_a_coarse_axis_waits_until_the_others_have_come_up_to_it():
    assert strides((4.0, 1.0, 1.0)) == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8)]
    assert filter_grid((4.0, 1.0, 1.0)) == (2, 8, 8)
    assert filter_halo((4.0, 1.0, 1.0)) == (10, 40, 40)


@pytest.mark.parametrize("shape", [(8, 8, 16), (8, 8, 8)])
def test_the_bank_has_all_its_channels_and_the_grey_value_first(shape):
    grey = torch.randn(shape)
    bank = filter_bank(grey, CUBE)
    assert bank.shape == (filter_count(), *shape)
    assert torch.equal(bank[0], grey)


def test_a_constant_image_has_neither_edge_nor_curvature_at_any_octave():
    bank = filter_bank(torch.full((8, 8, 8), 5.0), CUBE)
    for octave in range(4):
        blur, *rest = bank[1 + 5 * octave : 6 + 5 * octave]
        torch.testing.assert_close(blur, torch.full((8, 8, 8), 5.0))
        torch.testing.assert_close(torch.stack(rest), torch.zeros(4, 8, 8, 8))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ramp_has_its_slope_doubled_and_no_curvature(axis):
    bank = filter_bank(3 * grid(16, 16, 16)[axis], CUBE)[:, 8, 8, 8]
    torch.testing.assert_close(bank[SLOPE], torch.tensor(6.0))
    torch.testing.assert_close(bank[LARGEST : SMALLEST + 1], torch.zeros(3))


@pytest.mark.parametrize("place", [0, -1])
def test_a_ramp_has_its_slope_at_the_ends_of_the_volume_too(place):
    bank = filter_bank(3 * grid(16, 16, 16)[0], CUBE)[SLOPE]
    # The binomial blur with the end repeated makes it 11/16 of what it is within.
    torch.testing.assert_close(bank[place, 8, 8], torch.tensor(6 * 11 / 16))


@pytest.mark.parametrize("shape", [(9, 17, 23), (1, 16, 16), (2, 3, 5)])
def test_a_volume_of_any_size_is_filtered(shape):
    bank = filter_bank(torch.full(shape, 5.0), CUBE)
    assert bank.shape == (filter_count(), *shape)
    torch.testing.assert_close(bank[BLUR], torch.full(shape, 5.0))


def test_slopes_are_measured_in_voxel_sides():
    ramp = grid(16, 16, 16)[0]
    bank = filter_bank(ramp, (4.0, 1.0, 1.0))
    torch.testing.assert_close(bank[SLOPE, 8, 8, 8], torch.tensor(2 / 4))


def test_curvatures_are_the_eigenvalues_of_the_hessian_largest_first():
    z, y, x = grid(16, 16, 16)
    hessian = np.array([[2.0, 0.5, 0.0], [0.5, -4.0, 1.0], [0.0, 1.0, 1.0]])
    grey = sum(
        hessian[i, j] / 2 * a * b
        for i, a in enumerate((z, y, x))
        for j, b in enumerate((z, y, x))
    )
    found = filter_bank(grey - grey.mean(), CUBE)[LARGEST : SMALLEST + 1, 8, 8, 8]
    expected = 3 * np.linalg.eigvalsh(hessian)[::-1].copy()
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_bright_sheet_bends_along_its_normal_alone():
    sheet = torch.zeros(16, 16, 16)
    sheet[8] = 1
    largest, middle, smallest = filter_bank(sheet, CUBE)[3:6, 8, 8, 8]
    assert smallest < -0.1
    torch.testing.assert_close(
        torch.stack([largest, middle]), torch.zeros(2), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("stride", [(1, 2, 4), (8, 8, 8), (2, 1, 1)])
def test_a_coarse_octave_is_refined_as_by_trilinear_interpolation(stride):
    torch.manual_seed(0)
    coarse, shape = torch.randn(2, 3, 4, 5), [3, 4, 5]
    found = coarse
    for axis, factor in enumerate(stride):
        shape[axis] *= factor
        found = filters._refined(found, axis + 1, factor, 0, shape[axis])
    wanted = F.interpolate(coarse[None], size=shape, mode="trilinear")[0]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("begin", "end"), [(0, 5), (9, 10), (7, 17), (31, 40)])
def test_a_part_is_refined_as_the_whole_is(begin, end):
    coarse = torch.randn(2, 1, 1, 5, generator=torch.manual_seed(0))
    whole = filters._refined(coarse, 3, 8, 0, 40)
    found = filters._refined(coarse, 3, 8, begin, end)
    torch.testing.assert_close(found, whole[..., begin:end], rtol=0, atol=0)


def test_a_part_with_its_halo_is_filtered_as_the_whole_is():
    whole = torch.from_numpy(
        np.random.default_rng(0).normal(size=(8, 8, 96)).astype(np.float32)
    )
    reach = filter_halo(CUBE)[2]
    low, high = 16, 80  # multiples of the grid
    inner = slice(low + reach, high - reach)
    part = filter_bank(whole[..., low:high], CUBE)[..., reach:-reach]
    torch.testing.assert_close(
        part, filter_bank(whole, CUBE)[..., inner], atol=1e-4, rtol=1e-4
    )
