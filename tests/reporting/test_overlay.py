import numpy as np
import pytest
from PIL import Image

from sparseseg.classes import ClassTable
from sparseseg.data.volume import Volume
from sparseseg.reporting.overlay import _place, overlay, write_overlay

TABLE = ClassTable.numbered([1, 2])
COLOUR = (230, 159, 0)  # class 1


def volume(shape=(4, 8, 8), spacing=(1.0, 1.0, 1.0)):
    return Volume.from_array(np.zeros(shape, np.uint8), spacing=spacing)


def has(picture, colour):
    return bool((picture == colour).all(axis=2).any())


def test_a_class_is_outlined_in_its_colour():
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[:, 2:6, 2:6] = 1
    assert has(overlay(volume(), labels, TABLE), COLOUR)


def test_the_legend_names_only_what_is_shown():
    legend = overlay(volume(), np.zeros((4, 8, 8), np.uint8), TABLE)
    assert not has(legend, COLOUR)


def test_the_annotation_adds_a_row():
    labels = np.zeros((8, 8, 8), np.uint8)
    alone = overlay(volume((8, 8, 8)), labels, TABLE)
    both = overlay(volume((8, 8, 8)), labels, TABLE, annotation=labels)
    assert both.shape[1] == alone.shape[1] >= 1200
    assert both.shape[0] > 1.7 * alone.shape[0]


def test_the_slices_shown_lie_farthest_between_annotated_ones():
    annotation = np.zeros((20, 9, 9), np.uint8)
    annotation[[2, 6, 14]] = 255
    annotation[:, 4] = 1
    places = [_place(annotation.shape, annotation, axis) for axis in range(3)]
    assert places == [10, 0, 4]
    assert [_place((20, 9, 9), None, axis) for axis in range(3)] == [10, 4, 4]


def test_spacing_sets_the_proportions():
    """A z spacing of 4 makes the cube's side views four times as high as wide."""
    labels = np.zeros((8, 8, 8), np.uint8)
    cube = overlay(volume((8, 8, 8)), labels, TABLE)
    tall = overlay(volume((8, 8, 8), (4.0, 1.0, 1.0)), labels, TABLE)
    # Widths of a row of height 1 sum to 3 and to 1 + 1/4 + 1/4.
    assert tall.shape[0] / cube.shape[0] == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 50, 60), (40, 5, 6)])
def test_flat_and_deep_volumes_make_a_picture_of_the_same_width(shape):
    picture = overlay(volume(shape), np.ones(shape, np.uint8), TABLE)
    assert abs(picture.shape[1] - 1400) < 5


def test_broken_intensities_are_shown_as_black():
    array = np.full((4, 8, 8), np.nan, np.float32)
    array[2, 4] = np.inf
    picture = overlay(Volume.from_array(array), np.zeros((4, 8, 8), np.uint8), TABLE)
    assert picture.dtype == np.uint8


def test_the_picture_is_written_as_png(tmp_path):
    labels = np.ones((4, 8, 8), np.uint8)
    write_overlay(tmp_path / "a.png", volume(), labels, TABLE)
    expected = overlay(volume(), labels, TABLE)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)
