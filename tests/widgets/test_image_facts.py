import numpy as np
import pytest
from napari.layers import Image

from sparseseg.widgets.channels import choose_channels
from sparseseg.widgets.file_facts import FACTS, FileFacts
from sparseseg.widgets.image_facts import facts_of

TIMES = "\N{MULTIPLICATION SIGN}"


def image(*shape: int, **look) -> Image:
    return Image(np.zeros(shape, np.uint8), name="cells", **look)


def image_of_file(affine, *, channel_names: tuple[str, ...] = ()) -> Image:
    facts = FileFacts(
        None, (1, 1, 1), "mm", np.array(affine, float), b"", channel_names
    )
    return image(4, 5, 6, metadata={FACTS: facts}, units=("mm",) * 3)


LPS = np.diag([-1, -1, 1, 1])


def test_the_card_says_shape_and_channels():
    facts = facts_of(image(2, 4, 5, 6, units=("pixel", "um", "um", "um")))

    assert facts.shape.replace(TIMES, "x") == "4 x 5 x 6"
    assert (facts.channels, facts.remarks) == ("2", ())


def test_channels_in_other_layers_are_named():
    dapi, gfp = image(4, 5, 6), image(4, 5, 6)
    dapi.name, gfp.name = "DAPI", "GFP"
    choose_channels(dapi, [gfp])

    assert facts_of(dapi).channels == "2 (DAPI, GFP)"


def test_the_orientation_is_said_in_directions_and_with_its_hand():
    facts = facts_of(image_of_file(LPS))

    assert facts.orientation == "R-L, A-P, F-H (LPS, right-handed)"
    assert "z runs from feet to head: slices are axial" in facts.orientation_in_words


def test_a_file_that_stores_mirrored_voxels_is_left_handed():
    assert (
        "LAS, left-handed"
        in facts_of(image_of_file(np.diag([-1, 1, 1, 1]))).orientation
    )


def test_without_a_file_that_says_it_there_is_no_orientation():
    assert facts_of(image(4, 5, 6)).orientation == ""


def test_a_tilted_scan_is_said_to_be_tilted():
    c, s = np.cos(np.radians(12)), np.sin(np.radians(12))
    turned = LPS @ [[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]]

    (remark,) = facts_of(image_of_file(turned)).remarks

    assert "tilted by 12\N{DEGREE SIGN}" in remark


def test_the_card_warns_when_no_voxel_size_is_known():
    assert "No voxel size" in facts_of(image(4, 5, 6)).remarks[0]


def test_the_card_warns_when_a_length_and_pixels_are_mixed():
    layer = image(4, 5, 6, units=("pixel", "um", "um"))

    assert "different units" in facts_of(layer).remarks[0]


@pytest.mark.parametrize(("shape", "axis"), [((1, 5, 6), "z"), ((4, 5, 1), "x")])
def test_the_card_warns_of_a_single_slice(shape, axis):
    remarks = facts_of(image(*shape, units=("um",) * 3)).remarks

    assert f"a single slice across {axis}" in remarks[0]
