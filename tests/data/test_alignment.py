"""Labels meet their image where both lie in space, however their files store them."""

import warnings
from itertools import permutations, product

import numpy as np
import pytest

from sparseseg.data.alignment import aligned
from sparseseg.data.orientation import axis_codes
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError

SIZES = (2.0, 0.5, 0.7)  # z, y, x
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def placed(array, *, unit="mm", rotation=OBLIQUE, origin=(5.0, -7.0, 3.0), scale=1.0):
    """Return a volume whose voxel (0, 0, 0) lies at `origin`."""
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(SIZES[::-1]) * scale
    affine[:3, 3] = np.array(origin) * scale
    sizes = tuple(size * scale for size in SIZES)
    return Volume(array[None], sizes, unit, affine=affine, name="image.nii")


def stored_otherwise(volume, axes, signs):
    """Store a volume's voxels along other axes; each stays at its place in space."""
    array, affine, spacing = volume.array[0].T, volume.affine, volume.spacing[::-1]
    array = array.transpose(axes)
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, sign) in enumerate(zip(axes, signs, strict=True)):
        turn[old, new] = sign
        turn[old, 3] = 0 if sign > 0 else array.shape[new] - 1
    array = array[tuple(slice(None, None, sign) for sign in signs)]
    z, y, x = (spacing[a] for a in axes[::-1])
    return Volume(
        array.T[None], (z, y, x), volume.unit, affine=affine @ turn, name="labels.nii"
    )


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_labels_are_turned_from_each_of_the_48_orientations(axes, signs) -> None:
    image = placed(np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4))
    labels = stored_otherwise(image, axes, signs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        found = aligned(labels, image)
    np.testing.assert_array_equal(found.array, image.array)
    assert found.spacing == image.spacing


def test_a_turn_is_told_with_both_orientations() -> None:
    image = placed(np.zeros((2, 3, 4), np.uint8), rotation=np.eye(3))
    with pytest.warns(Note, match="labels.nii is stored as LPS and image.nii as RAS"):
        aligned(stored_otherwise(image, (0, 1, 2), (-1, -1, 1)), image)


def test_labels_that_lie_as_the_image_are_left_without_a_word() -> None:
    image = placed(np.zeros((2, 3, 4), np.uint8))
    rounded = placed(np.ones((2, 3, 4), np.uint8), origin=(5.0001, -7, 3))
    in_micrometres = placed(image.array[0], unit="um", scale=1000.0)
    for labels in (rounded, in_micrometres):
        assert aligned(labels, image) is labels


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"origin": (5.0, -7.0, 4.0)}, r"from \(5, -7, 4\), the image"),
        ({"scale": 2.0}, "voxels of 1.4 x 1 x 4 mm"),
        ({"rotation": np.eye(3)}, "stored as RAS"),
    ],
)
def test_labels_that_lie_elsewhere_are_refused_with_both_places(changed, words) -> None:
    image = placed(np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(UserError, match=words):
        aligned(placed(np.zeros((2, 3, 4), np.uint8), **changed), image)


def test_where_one_says_nothing_of_space_the_shapes_decide() -> None:
    image = placed(np.zeros((2, 3, 4), np.uint8))
    plain = Volume(np.ones((1, 2, 3, 4), np.uint8))
    assert aligned(plain, image) is plain
    assert aligned(image, plain) is image
    with pytest.raises(
        UserError, match=r"shape \(4, 3, 2\), the image has \(2, 3, 4\)"
    ):
        aligned(Volume(np.ones((1, 4, 3, 2), np.uint8)), image)


def test_other_voxel_sizes_are_noted_where_nothing_else_is_known() -> None:
    image = Volume(np.zeros((1, 2, 3, 4)), (2.0, 0.5, 0.5), "um", name="image.tif")
    labels = Volume(np.ones((1, 2, 3, 4), np.uint8), (1.0, 1.0, 1.0), "um")
    with pytest.warns(Note, match="1 x 1 x 1 um .* 2 x 0.5 x 0.5 um"):
        assert aligned(labels, image) is labels
    in_nanometres = Volume(labels.array, (2000.0, 500.0, 500.0), "nm")
    assert aligned(in_nanometres, image) is in_nanometres


def test_an_oblique_axis_is_called_by_the_direction_that_it_is_nearest_to() -> None:
    assert axis_codes(placed(np.zeros((1, 1, 1))).affine) == ("R", "A", "S")
    turned = np.diag([-1.0, 0, 0, 1])
    turned[1, 2], turned[2, 1] = 1, -1
    assert axis_codes(turned) == ("L", "I", "A")
