import dask.array
import numpy as np
import pytest
from napari.layers import Image, Labels

from sparseseg.errors import UserError
from sparseseg.widgets.channels import CHANNEL, TIME, name_first_axis
from sparseseg.widgets.geometry import (
    check_image,
    is_straight,
    lying_on,
    placement_of,
    set_voxel_size,
    spacing_of,
    straighten,
    turn_back,
    volume_of,
)


def image(*shape: int, **look) -> Image:
    return Image(np.zeros(shape, np.uint8), name="cells", **look)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (image(20, 30), "2-D"),
        (image(3, 4, 5, 6, 7), "more than channels"),
        (image(9, 4, 5, 6), "Split Stack"),
        (image(2, 4, 5, 6, axis_labels=("t", "z", "y", "x")), "time axis"),
        (image(2, 4, 5, 6), "channels or time"),
        (image(4, 5, 6, rotate=(0, 0, 10)), "Show in voxel axes"),
        (image(4, 5, 6, 3, rgb=True), "Split RGB"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_with_the_mend(layer, word):
    with pytest.raises(UserError, match=word):
        check_image(layer)


def test_a_first_axis_is_channels_once_somebody_says_so():
    layer = image(8, 4, 5, 6)

    name_first_axis(layer, CHANNEL)

    volume = volume_of(layer)
    assert (volume.channels, volume.shape) == (8, (4, 5, 6))


def test_a_first_axis_that_is_said_to_be_time_is_refused():
    layer = image(5, 4, 5, 6)

    name_first_axis(layer, TIME)

    with pytest.raises(UserError, match="one time point"):
        check_image(layer)


def test_a_first_axis_of_one_plane_needs_no_answer():
    assert volume_of(image(1, 4, 5, 6)).channels == 1


class _Untouched:
    """Voxels that may be read by no one."""

    shape, dtype, ndim = (8, 64, 64), np.dtype(np.uint16), 3

    def __getitem__(self, key):
        raise AssertionError(f"{key} was read")


def test_a_pyramid_counts_by_its_finest_level_and_is_not_read():
    fine = dask.array.from_array(_Untouched(), chunks=(1, 64, 64), meta=np.empty(0))
    coarse = np.zeros((4, 32, 32), np.uint16)
    layer = Image([fine, coarse], multiscale=True, scale=(2, 1, 1))

    check_image(layer)
    volume = volume_of(layer)

    assert (volume.shape, volume.spacing) == ((8, 64, 64), (2, 1, 1))


def test_lazy_voxels_are_read_box_by_box_and_equal_those_in_memory():
    grey = np.arange(2 * 4 * 5 * 6).reshape(2, 4, 5, 6)
    lazy = Image(dask.array.from_array(grey, chunks=1), axis_labels=(CHANNEL, *"zyx"))
    box = (slice(0, 2), slice(1, 3), slice(0, 5), slice(2, 4))

    array = volume_of(lazy).array

    assert not isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array[box], grey[box])


def test_the_spacing_is_the_layers_scale_in_its_unit():
    layer = image(4, 5, 6, scale=(2, 0.5, 0.5), units=("micrometer",) * 3)

    volume = volume_of(layer)

    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


def test_spacing_in_the_extra_affine_counts_too():
    layer = image(4, 5, 6, scale=(2, 1, 1), affine=np.diag([3, 1, 1, 1]))

    assert volume_of(layer).spacing == (6.0, 1.0, 1.0)


SLANTED = {
    "turned in the plane": {"rotate": (0, 0, 10)},
    "turned out of the plane": {"rotate": (0, 30, 0)},
    "sheared": {"shear": (0.2, 0, 0)},
    "oblique affine": {
        "affine": [[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0] * 3 + [1]]
    },
    "two axes swapped": {"affine": np.eye(4)[[1, 0, 2, 3]]},
}


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("transform", SLANTED.values(), ids=SLANTED)
def test_a_layer_whose_slices_are_not_those_of_its_array_is_refused(transform):
    layer = image(4, 5, 6, scale=(2, 1, 1), **transform)

    assert not is_straight(layer)
    with pytest.raises(UserError, match="'cells' is rotated or sheared"):
        volume_of(layer)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("transform", SLANTED.values(), ids=SLANTED)
def test_set_straight_it_has_its_voxel_size_and_can_be_turned_back(transform):
    layer = image(4, 5, 6, scale=(2, 1, 1), translate=(7, 8, 9), **transform)
    before, spacing = layer._data_to_world.affine_matrix, spacing_of(layer)[0]

    straighten(layer)

    assert is_straight(layer)
    assert volume_of(layer).spacing == pytest.approx(spacing)

    turn_back(layer)

    np.testing.assert_allclose(layer._data_to_world.affine_matrix, before)


@pytest.mark.parametrize(
    "transform",
    [
        {"scale": (-2, 1, -1)},
        {"affine": np.diag([-1, 1, -1, 1]), "translate": (3, 4, 5)},
        {"affine": [[1, 1e-6, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
    ],
    ids=["mirrored", "mirrored by the affine", "rounded"],
)
def test_mirrored_moved_and_rounded_layers_are_taken(transform):
    assert volume_of(image(4, 5, 6, **transform)).shape == (4, 5, 6)


def test_a_new_voxel_size_keeps_mirrored_axes_in_place():
    layer = image(4, 5, 6, scale=(-2, 1, 1), translate=(6, 0, 0))

    set_voxel_size([layer], (0.5, 0.25, 0.25), "um")

    assert spacing_of(layer) == ((0.5, 0.25, 0.25), "um")
    np.testing.assert_allclose(layer.data_to_world((3, 0, 0)), (0, 0, 0))


def test_layers_with_the_voxels_of_an_image_in_its_place_are_found():
    cells = image(4, 5, 6, scale=(2, 1, 1))
    labels = Labels(np.zeros((4, 5, 6), np.uint8), scale=(2, 1, 1))
    channels = image(2, 4, 5, 6, scale=(1, 2, 1, 1))
    elsewhere = image(4, 5, 6, scale=(2, 1, 1), translate=(1, 0, 0))
    smaller = image(4, 5, 5, scale=(2, 1, 1))

    found = lying_on(cells, [cells, labels, channels, elsewhere, smaller])

    assert found == [cells, labels, channels]


@pytest.mark.parametrize("channels", [(), (2,)])
def test_a_layer_with_the_placement_lies_exactly_on_the_image(channels):
    n = len(channels)
    one = (1,) * n
    layer = image(
        *channels,
        *(4, 5, 6),
        scale=(*one, 2, 0.5, 0.5),
        translate=(*one, 7, 8, 9),
        affine=np.diag([*one, -1, 1, 1, 1]),
        units=("pixel",) * n + ("um",) * 3,
    )

    labels = Labels(np.zeros((4, 5, 6), np.uint8), **placement_of(layer))

    point = (3, 2, 1)
    np.testing.assert_allclose(
        labels.data_to_world(point), layer.data_to_world((*one, *point))[n:]
    )
    assert labels.units == layer.units[n:]
