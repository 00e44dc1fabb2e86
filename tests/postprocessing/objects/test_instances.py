"""Objects are told apart as a person would do it, on bodies whose answer is plain."""

import numpy as np
import pytest

from sparseseg.errors import UserError
from sparseseg.postprocessing.objects import ObjectSettings, find_objects
from sparseseg.postprocessing.objects.instances import finding
from tests.postprocessing.objects.bodies import ball

CUBES = (1.0, 1.0, 1.0)


def two_balls(spacing=CUBES) -> np.ndarray:
    """Return two balls of radius 8 that overlap a little, along x."""
    shape = tuple(int(n / s) for n, s in zip((24, 24, 40), spacing, strict=True))
    at = [(12 / spacing[0], 12 / spacing[1], x / spacing[2]) for x in (11, 26)]
    return ball(shape, at[0], 8, spacing) | ball(shape, at[1], 8, spacing)


def test_what_hangs_together_is_one_object_and_numbers_run_on_over_classes() -> None:
    labels = np.zeros((3, 5, 9), np.uint8)
    labels[:, :, 0:2], labels[:, :, 4:6] = 1, 1
    labels[:, :, 2:3], labels[:, :, 8:] = 2, 2
    found = find_objects(labels, spacing=CUBES, settings=ObjectSettings(method="parts"))
    assert found.instances.dtype == np.uint32
    assert found.instances[0, 0].tolist() == [1, 1, 3, 0, 2, 2, 0, 0, 4]
    assert found.classes.tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("spacing", [CUBES, (3.0, 1.0, 0.5)])
def test_touching_balls_are_divided_where_they_touch(spacing) -> None:
    mask = two_balls(spacing).astype(np.uint8)
    found = find_objects(mask, spacing=spacing)
    assert len(found.classes) == 2
    assert np.array_equal(found.instances > 0, mask > 0)
    middle = round(18.5 / spacing[2])
    edge = 2
    assert len(np.unique(found.instances[:, :, : middle - edge])) == 2
    assert len(np.unique(found.instances[:, :, middle + edge :])) == 2
    assert found.sizes[0] == pytest.approx(16, rel=0.15)


def test_what_fills_the_volume_is_one_object() -> None:
    found = find_objects(np.ones((8, 12, 10), np.uint8), spacing=(2.0, 1.0, 1.0))
    assert (found.instances == 1).all()


def test_more_smoothness_divides_less() -> None:
    mask = two_balls().astype(np.uint8)
    settings = ObjectSettings(smoothness=1.0)
    assert len(find_objects(mask, spacing=CUBES, settings=settings).classes) == 1


def test_parts_of_slices_are_linked_where_they_overlap() -> None:
    labels = np.zeros((3, 4, 12), np.uint8)
    labels[0, :, 0:4] = labels[1, :, 1:5] = labels[2, :, 2:6] = 1
    # Touches the first only by one of its four columns in the next slice.
    labels[0, :, 8:12] = labels[1, :, 8:12] = 1
    labels[2, :, 11:] = 1
    settings = ObjectSettings(method="slices", overlap=0.6)
    found = find_objects(labels, spacing=CUBES, settings=settings)
    assert len(found.classes) == 2
    labels[2] = 0
    labels[2, :, 4:9] = 1  # one column of five lies below each of the two
    assert len(find_objects(labels, spacing=CUBES, settings=settings).classes) == 3


def test_small_objects_are_left_out_and_numbers_have_no_gap() -> None:
    labels = np.zeros((1, 1, 9), np.uint8)
    labels[0, 0] = [1, 0, 1, 1, 0, 1, 1, 1, 0]
    settings = ObjectSettings(method="parts", smallest=4.0)
    found = find_objects(labels, spacing=(1.0, 1.0, 2.0), settings=settings)
    assert found.instances[0, 0].tolist() == [0, 0, 1, 1, 0, 2, 2, 2, 0]


def test_dust_is_left_out_unless_a_volume_is_given() -> None:
    labels = np.zeros((1, 4, 120), np.uint8)
    labels[0, :, 0:30] = labels[0, :, 32:62] = 1  # 120 voxels each
    labels[0, 0, 64:66], labels[0, 0, 70:73] = 1, 1  # a fiftieth is 2.4
    found = find_objects(labels, spacing=CUBES, settings=ObjectSettings(method="parts"))
    # The median of 120, 120, 3 and 2 is 61.5, a fiftieth 1.23: dust lowers the bar.
    assert (len(found.classes), found.left_out) == (4, 0)
    labels[0, :, 80:110] = 1
    found = find_objects(labels, spacing=CUBES, settings=ObjectSettings(method="parts"))
    assert (len(found.classes), found.left_out) == (4, 1)
    assert found.instances[0, 0, [64, 70]].tolist() == [0, 3]
    settings = ObjectSettings(method="parts", smallest=0.5)
    found = find_objects(labels, spacing=CUBES, settings=settings)
    assert (len(found.classes), found.left_out) == (5, 0)


def test_cells_within_walls_are_the_objects_of_class_0() -> None:
    walls = np.zeros((9, 9, 17), np.uint8)
    walls[:, :, 8] = 1
    settings = ObjectSettings(method="parts")
    found = find_objects(walls, spacing=CUBES, settings=settings, classes=[0])
    assert found.classes.tolist() == [0, 0]


@pytest.mark.parametrize("method", ["parts", "touching", "slices"])
def test_every_voxel_of_a_class_belongs_to_one_object(method) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (6, 20, 20)).astype(np.uint8)
    settings = ObjectSettings(method=method, smallest=0.1)
    for step in finding(labels, spacing=(2.0, 1.0, 1.0), settings=settings):
        found = step
    assert np.array_equal(found.instances > 0, labels > 0)
    owners = np.concatenate([[0], found.classes])
    assert np.array_equal(owners[found.instances], labels)


def test_a_class_that_is_not_there_and_bad_settings_are_refused() -> None:
    labels = np.ones((3, 3, 3), np.uint8)
    with pytest.raises(UserError, match="no voxel has class 4: choose from 1"):
        find_objects(labels, spacing=CUBES, classes=[4])
    with pytest.raises(UserError, match="nothing but 0"):
        find_objects(labels * 0, spacing=CUBES)
    for wrong in ({"size": -1.0}, {"overlap": 1.5}, {"smallest": float("nan")}):
        with pytest.raises(UserError, match="must be"):
            ObjectSettings(**wrong)
