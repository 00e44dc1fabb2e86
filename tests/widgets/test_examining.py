"""What the file of a layer says that napari's own reader opened."""

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.layers._source import layer_source

from sparseseg.data.files import read
from sparseseg.widgets.examining import look_into_file, take_over
from sparseseg.widgets.geometry import spacing_of, volume_of

STACK = np.random.default_rng(0).integers(0, 255, (3, 2, 6, 5)).astype(np.uint8)


@pytest.fixture
def two_stains(tmp_path):
    """Two channels as ImageJ stores them: z, channel, y, x."""
    path = tmp_path / "stains.tif"
    tags = {"axes": "ZCYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(2, 2), metadata=tags)
    return path


def layer_by_napari(path, **look) -> Image:
    with layer_source(path=str(path), reader_plugin="napari"):
        return Image(tifffile.imread(path), name="stains", **look)


def test_a_stack_gets_the_voxel_size_that_its_file_has(two_stains):
    layer = layer_by_napari(two_stains)

    take_over(look_into_file(layer), layer, [layer])

    assert spacing_of(layer) == ((2.0, 0.5, 0.5), "um")


def test_channels_are_put_first_as_the_file_names_them(two_stains):
    layer = layer_by_napari(two_stains)

    take_over(look_into_file(layer), layer, [layer])

    np.testing.assert_array_equal(volume_of(layer).array, read(two_stains).array)


def test_a_voxel_size_that_somebody_set_stays(two_stains):
    layer = layer_by_napari(two_stains, scale=(9, 1, 9, 9))

    take_over(look_into_file(layer), layer, [layer])

    assert spacing_of(layer)[1] == "pixel"
    assert 9 in layer.scale


def test_an_image_of_another_file_has_its_own_voxel_size_in_the_end(
    two_stains, tmp_path
):
    path = tmp_path / "finer.tif"
    tags = {"axes": "ZCYX", "spacing": 1.0, "unit": "um"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(4, 4), metadata=tags)
    first, second = layer_by_napari(two_stains), layer_by_napari(path)
    drawn = Labels(np.zeros((3, 6, 5), np.uint8))

    take_over(look_into_file(first), first, [first, second, drawn])
    assert spacing_of(drawn) == ((2.0, 0.5, 0.5), "um")
    take_over(look_into_file(second), second, [first, second, drawn])

    assert spacing_of(second) == ((1.0, 0.25, 0.25), "um")
    assert spacing_of(first) == spacing_of(drawn) == ((2.0, 0.5, 0.5), "um")


def test_a_cropped_layer_is_not_taken_for_its_file(two_stains):
    layer = layer_by_napari(two_stains)
    layer.data = layer.data[:2]

    assert look_into_file(layer) is None


def test_layers_without_a_file_and_of_other_readers_are_left_alone(two_stains):
    with layer_source(path=str(two_stains), reader_plugin="other"):
        foreign = Image(STACK)

    assert look_into_file(foreign) is None
    assert look_into_file(Image(STACK)) is None
