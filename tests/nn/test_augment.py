import numpy as np
import pytest
import torch

from sparseseg.nn.augment import (
    affine_matrix,
    apply_curve,
    bspline_field,
    flip_rotate,
    grey_curve,
    jitter,
    warp,
)
from sparseseg.nn.losses import IGNORE


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def patch(*shape: int, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    image = torch.rand(channels, *shape, generator=random)
    target = torch.tensor([IGNORE, 0, 1, 4])[
        torch.randint(0, 4, shape, generator=random)
    ]
    return image, target


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values)[None, None, :]


def still(*shape: int) -> torch.Tensor:
    return torch.zeros(3, *shape)


class Lattice:
    """A generator whose control points are given by a function of their place."""

    def __init__(self, value):
        self.value = value

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.value(np.indices(shape, dtype=float))


def test_equal_control_points_move_every_voxel_alike():
    rng = Lattice(lambda place: np.ones_like(place[0]))
    field = bspline_field((5, 6, 9), spacing=4, sd=2, rng=rng)
    torch.testing.assert_close(field, torch.full((3, 5, 6, 9), 2.0))


def test_control_points_on_a_slope_give_a_slope():
    rng = Lattice(lambda place: place[1])  # grows by one a control point along z
    field = bspline_field((9, 2, 2), spacing=4, sd=1, rng=rng)
    torch.testing.assert_close(field[0, :, 0, 0], 1 + torch.arange(9) / 4)


def test_the_spline_approximates_its_control_points(rng):
    """The weights 1/6, 4/6, 1/6 leave half the variance an axis, midway 0.460."""
    field = bspline_field((40, 40, 40), spacing=2, sd=4, rng=rng)
    at_points, midway = field[:, ::2, ::2, ::2], field[:, 1::2, 1::2, 1::2]
    assert at_points.std().item() == pytest.approx(4 * 0.5**1.5, rel=0.03)
    assert midway.std().item() == pytest.approx(4 * 0.460**1.5, rel=0.03)


def test_spacing_and_deviation_may_differ_between_the_axes(rng):
    field = bspline_field((3, 8, 8), spacing=(1, 4, 4), sd=(0, 4, 4), rng=rng)
    assert field.shape == (3, 3, 8, 8)
    assert not field[0].any()
    assert field[1:].std() > 0.5


@pytest.mark.parametrize("shape", [(3, 5, 9), (1, 2, 17)])
def test_no_displacement_changes_nothing(shape):
    image, target = patch(*shape)
    warped, labels = warp(image, target, still(*shape))
    assert torch.equal(warped, image)
    assert torch.equal(labels, target)


def test_no_displacement_changes_nothing_beyond_rounding_for_any_size():
    image, target = patch(6, 7, 12)
    warped, labels = warp(image, target, still(6, 7, 12), torch.eye(3))
    torch.testing.assert_close(warped, image, atol=1e-5, rtol=0)
    assert torch.equal(labels, target)


@pytest.mark.parametrize(
    ("shift", "values"), [(1, [1, 2, 3, 2]), (-1, [1, 0, 1, 2]), (7, [1, 2, 3, 2])]
)
def test_a_shift_reads_on_and_mirrors_at_the_border(shift, values):
    field = still(1, 1, 4)
    field[2] = shift
    image, target = row(0.0, 1.0, 2.0, 3.0)[None], row(0, 1, 2, 3)
    warped, labels = warp(image, target, field)
    torch.testing.assert_close(warped.flatten(), torch.tensor(values).float())
    assert labels.flatten().tolist() == values


def test_components_move_along_z_y_and_x():
    image, target = patch(3, 5, 9)
    for axis in range(3):
        field = still(3, 5, 9)
        field[axis] = 1
        _, labels = warp(image, target, field)
        kept = target.shape[axis] - 1
        assert torch.equal(labels.narrow(axis, 0, kept), target.narrow(axis, 1, kept))


def test_images_are_interpolated_and_labels_are_not():
    field = still(1, 1, 5)
    field[2] = 0.25
    image, target = row(0.0, 4.0, 4.0, 0.0, 0.0)[None], row(IGNORE, 9, 9, 3, 3)
    warped, labels = warp(image, target, field)
    assert warped.flatten().tolist() == [1, 4, 3, 0, 0]
    assert torch.equal(labels, target)


def test_labels_move_with_the_image(rng):
    half = torch.arange(16).expand(12, 14, 16) >= 8
    field = bspline_field((12, 14, 16), spacing=4, rng=rng)
    image, labels = warp(half[None].float(), half.long(), field)
    assert 0.2 < labels.float().mean() < 0.8
    assert torch.equal(image[0] > 0.5, labels == 1)


def test_a_label_never_becomes_a_new_number(rng):
    image, target = patch(10, 11, 12)
    matrix = affine_matrix(rng, degrees=180, scale=(0.7, 1.4), spacing=(2, 1, 1))
    _, labels = warp(image, target, bspline_field((10, 11, 12), rng=rng), matrix)
    assert labels.dtype == target.dtype
    assert set(labels.unique().tolist()) <= {IGNORE, 0, 1, 4}
    assert not torch.equal(labels, target)


def test_a_smaller_displacement_reads_the_centre_of_the_patch():
    image, target = patch(5, 9, 17)
    warped, labels = warp(image, target, still(3, 3, 3))
    assert torch.equal(warped, image[:, 1:4, 3:6, 7:10])
    assert torch.equal(labels, target[1:4, 3:6, 7:10])


def test_a_quarter_turn_about_z_turns_the_plane():
    image, target = patch(3, 5, 5)
    turn = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    warped, labels = warp(image, target, still(3, 5, 5), turn)
    assert torch.equal(warped, image.rot90(1, (2, 3)))
    assert torch.equal(labels, target.rot90(1, (1, 2)))


def test_rotation_keeps_physical_lengths_in_anisotropic_volumes(rng):
    spacing = torch.tensor([3.0, 1.0, 0.5])
    matrix = affine_matrix(rng, degrees=180, scale=(1, 1), spacing=(3, 1, 0.5))
    offsets = torch.randn(3, 20)
    before, after = (spacing[:, None] * v for v in (offsets, matrix @ offsets))
    torch.testing.assert_close(after.norm(dim=0), before.norm(dim=0))
    assert not torch.allclose(after, before, atol=0.1)


def test_angles_are_about_z_y_and_x(rng):
    about_z = affine_matrix(rng, degrees=(90, 0, 0), scale=(1, 1), spacing=(1, 1, 1))
    assert about_z[0].tolist() == about_z[:, 0].tolist() == [1, 0, 0]
    assert about_z[1, 2] == -about_z[2, 1] != 0


def test_structures_grow_by_the_scale(rng):
    matrix = affine_matrix(rng, degrees=0, scale=(2, 2), spacing=(3, 1, 1))
    torch.testing.assert_close(matrix, torch.eye(3) / 2)


def orientations(target: torch.Tensor, rng: np.random.Generator, **options) -> set:
    image = target[None].float()
    seen = set()
    for _ in range(600):
        turned, labels = flip_rotate(image, target, rng, **options)
        assert torch.equal(turned[0].long(), labels)
        seen.add((*labels.shape, *labels.flatten().tolist()))
    return seen


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(np.prod(shape)).view(shape)


def test_a_cube_takes_all_48_orientations(rng):
    assert len(orientations(numbered(2, 2, 2), rng)) == 48


def test_axes_of_other_spacing_do_not_change_places(rng):
    seen = orientations(numbered(2, 2, 2), rng, spacing=(5, 1, 1))
    assert len(seen) == 16  # 2 flips of z, 8 orientations of the plane


def test_axes_of_other_size_do_not_change_places(rng):
    seen = orientations(numbered(3, 2, 3), rng)
    assert len(seen) == 16
    assert {key[:3] for key in seen} == {(3, 2, 3)}


def test_axes_that_are_not_named_stay_as_they_are(rng):
    assert len(orientations(numbered(2, 2, 2), rng, axes=(2,))) == 2
    assert len(orientations(numbered(2, 2, 2), rng, axes=(1, 2))) == 8


def test_grey_curves_rise_from_0_to_1_within_the_slopes(rng):
    for _ in range(50):
        curve = grey_curve(rng, slope=(0.5, 2))
        slopes = curve.diff() * (len(curve) - 1)
        assert curve[0].item() == pytest.approx(0, abs=1e-6)
        assert curve[-1].item() == pytest.approx(1, abs=1e-6)
        assert slopes.min() > 0.5 - 1e-3
        assert slopes.max() < 2 + 1e-3


def test_grey_curves_differ_and_have_no_corners(rng):
    one, other = grey_curve(rng), grey_curve(rng)
    assert (one - other).abs().max() > 0.01
    assert one.diff().diff().abs().max() * 256 < 0.1
    assert grey_curve(rng, smoothing=0).diff().diff().abs().max() * 256 > 0.1


def test_a_curve_is_read_linearly_and_continued_straight():
    grey = row(-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
    mapped = apply_curve(grey, torch.tensor([0.0, 0.25, 1.0]))
    assert mapped.flatten().tolist() == [-0.25, 0, 0.125, 0.25, 0.625, 1, 1.75]


NEUTRAL = {"scale": (1, 1), "shift": 0.0, "gamma": (1, 1), "noise": 0.0}


def test_neutral_jitter_changes_nothing(rng):
    image, _ = patch(3, 4, 5)
    torch.testing.assert_close(jitter(image, rng, **NEUTRAL), image)


def test_scale_stretches_about_the_mean(rng):
    image = row(1.0, 3.0, 5.0)[None]
    jittered = jitter(image, rng, **(NEUTRAL | {"scale": (2, 2)}))
    torch.testing.assert_close(jittered, row(-1.0, 3.0, 7.0)[None])


def test_gamma_bends_between_the_least_and_the_greatest_value(rng):
    image = row(-1.0, 1.0, 3.0)[None]
    jittered = jitter(image, rng, **(NEUTRAL | {"gamma": (2, 2)}))
    torch.testing.assert_close(jittered, row(-1.0, 0.0, 3.0)[None])


def test_shift_moves_each_channel_by_its_own_amount(rng):
    image, _ = patch(3, 4, 5)
    moved = jitter(image, rng, **(NEUTRAL | {"shift": 0.5})) - image
    first, second = moved.flatten(1)
    torch.testing.assert_close(first, first[:1].expand_as(first))
    assert 0 < first[0].abs() <= 0.5
    assert (first[0] - second[0]).abs() > 0.01


def test_noise_has_at_most_the_given_deviation(rng):
    image = torch.zeros(8, 10, 10, 10)
    spreads = jitter(image, rng, **(NEUTRAL | {"noise": 0.2})).flatten(1).std(1)
    assert spreads.max() < 0.22
    assert spreads.max() > 2 * spreads.min()


def test_a_constant_channel_stays_constant(rng):
    image = torch.full((1, 2, 2, 2), 7.0)
    jittered = jitter(image, rng, **(NEUTRAL | {"gamma": (0.5, 2), "scale": (0.5, 2)}))
    torch.testing.assert_close(jittered, image)


def test_the_seed_decides_and_the_input_stays():
    image, _ = patch(3, 4, 5)
    before = image.clone()
    one, same, other = (jitter(image, np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(image, before)
