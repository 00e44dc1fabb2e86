import numpy as np
import pytest

from sparseseg.data.volume import Volume
from sparseseg.errors import UserError


def test_an_array_without_channels_gets_one_and_is_not_copied():
    array = np.zeros((3, 4, 5), np.uint16)
    volume = Volume.from_array(array)
    assert volume.array.shape == (1, 3, 4, 5)
    assert np.shares_memory(volume.array, array)
    assert (volume.shape, volume.channels) == ((3, 4, 5), 1)
    assert (volume.spacing, volume.unit) == ((1.0, 1.0, 1.0), "pixel")


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_channel_axis_comes_first(axis):
    array = np.moveaxis(np.zeros((2, 3, 4, 5)), 0, axis)
    assert Volume.from_array(array, channel_axis=axis).array.shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("array", "axis", "message"),
    [
        (np.zeros((4, 5)), None, "2-D.*save its slices as one stack"),
        (np.zeros((4, 5, 3)), 2, "2-D"),
        (np.zeros((2, 3, 4, 5)), None, "say which one holds the channels"),
        (np.zeros((1, 2, 3, 4, 5)), 0, "give three axes z, y, x"),
        (np.zeros((0, 4, 5)), None, "no voxels"),
        (np.zeros((3, 4, 5), complex), None, "complex128"),
        (np.zeros((3, 4, 5), "U1"), None, "<U1"),
    ],
)
def test_an_array_that_is_no_volume_is_refused(array, axis, message):
    with pytest.raises(UserError, match=message):
        Volume.from_array(array, channel_axis=axis)


def test_a_bare_3d_array_is_refused_as_it_lacks_its_channel_axis():
    with pytest.raises(UserError, match="axes c, z, y, x"):
        Volume(np.zeros((3, 4, 5)))


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf])
def test_impossible_spacing_is_refused(size):
    with pytest.raises(UserError, match="three positive sizes"):
        Volume.from_array(np.zeros((3, 4, 5)), spacing=(1.0, size, 1.0))


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.eye(3), "4 x 4"),
        (np.full((4, 4), np.nan), "4 x 4"),
        (np.diag([1.0, 1.0, 0.0, 1.0]), "an axis into one place"),
    ],
)
def test_a_broken_affine_is_refused(affine, words):
    with pytest.raises(UserError, match=words):
        Volume(np.zeros((1, 3, 4, 5)), affine=affine)


def test_channel_names_must_be_as_many_as_channels():
    with pytest.raises(UserError, match="2 channels, but 1 channel names"):
        Volume(np.zeros((2, 3, 4, 5)), channel_names=("DAPI",))
