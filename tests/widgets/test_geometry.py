import numpy as np
import pytest
from napari.layers import Image, Labels

from sparseseg.errors import UserError
from sparseseg.widgets.geometry import check_image, facts_of, placement_of, volume_of


def image(*shape: int, **look) -> Image:
    return Image(np.zeros(shape, np.uint8), name="cells", **look)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (image(20, 30), "2-D"),
        (image(3, 4, 5, 6, 7), "more than channels"),
        (image(9, 4, 5, 6), "Split Stack"),
        (image(2, 4, 5, 6, axis_labels=("t", "z", "y", "x")), "time axis"),
        (image(4, 5, 6, 3, rgb=True), "Split RGB"),
        (Image([np.zeros((8, 64, 64)), np.zeros((4, 32, 32))]), "pyramid"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_with_the_mend(layer, word):
    with pytest.raises(UserError, match=word):
        check_image(layer)


def test_a_first_axis_of_up_to_eight_is_channels():
    volume = volume_of(image(8, 4, 5, 6))

    assert (volume.channels, volume.shape) == (8, (4, 5, 6))


def test_the_spacing_is_the_layers_scale_in_its_unit():
    layer = image(4, 5, 6, scale=(2, 0.5, 0.5), units=("micrometer",) * 3)

    volume = volume_of(layer)

    assert (volume.spacing, volume.unit) == ((2.0, 0.5, 0.5), "um")


def test_spacing_in_the_extra_affine_counts_too():
    layer = image(4, 5, 6, scale=(2, 1, 1), affine=np.diag([3, 1, 1, 1]))

    assert volume_of(layer).spacing == (6.0, 1.0, 1.0)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_turned_image_keeps_its_spacing():
    layer = image(4, 5, 6, scale=(2, 1, 1), rotate=(0, 30, 0))

    assert volume_of(layer).spacing == pytest.approx((2, 1, 1))


@pytest.mark.parametrize("channels", [(), (2,)])
def test_a_layer_with_the_placement_lies_exactly_on_the_image(channels):
    n = len(channels)
    one = (1,) * n
    layer = image(
        *channels,
        *(4, 5, 6),
        scale=(*one, 2, 0.5, 0.5),
        translate=(*one, 7, 8, 9),
        shear=np.block([[np.eye(n), np.zeros((n, 3))], [np.zeros((3, n)), SHEAR]]),
        units=("pixel",) * n + ("um",) * 3,
    )

    labels = Labels(np.zeros((4, 5, 6), np.uint8), **placement_of(layer))

    point = (3, 2, 1)
    np.testing.assert_allclose(
        labels.data_to_world(point), layer.data_to_world((*one, *point))[n:]
    )
    assert labels.units == layer.units[n:]


SHEAR = np.array([[1, 0.1, 0.2], [0, 1, 0.3], [0, 0, 1]])


def test_the_card_says_shape_spacing_and_channels():
    layer = image(2, 4, 5, 6, scale=(1, 0.284, 0.127, 0.127), units=UM_AFTER_CHANNELS)

    facts = facts_of(layer)

    assert facts.shape.replace(TIMES, "x") == "4 x 5 x 6"
    assert facts.spacing.replace(TIMES, "x") == "0.284 x 0.127 x 0.127 µm"
    assert (facts.channels, facts.remarks) == ("2", ())


TIMES = "\N{MULTIPLICATION SIGN}"
UM_AFTER_CHANNELS = ("pixel", "um", "um", "um")


def test_the_card_warns_when_no_spacing_is_known():
    assert "No voxel spacing" in facts_of(image(4, 5, 6)).remarks[0]


def test_the_card_warns_when_a_length_and_pixels_are_mixed():
    layer = image(4, 5, 6, units=("pixel", "um", "um"))

    assert "different units" in facts_of(layer).remarks[0]
