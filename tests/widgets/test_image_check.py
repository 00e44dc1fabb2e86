import numpy as np
import pytest

from sparseseg.widgets.image_check import grey_values

PLAIN = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def with_missing(count: int) -> np.ndarray:
    array = PLAIN.copy()
    array.flat[:count] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.full((2, 3, 4), 7, np.uint8), "All voxels are 7"),
        (with_missing(24), "No voxel holds a number"),
        (with_missing(6), "25.00% of the voxels are not numbers"),
    ],
)
def test_what_would_spoil_learning_is_told(array, word):
    (complaint,) = grey_values(array).complaints

    assert word in complaint


def test_a_plain_image_is_not_complained_of():
    found = grey_values(PLAIN)

    assert (found.low, found.high) == (0, 23)
    assert not list(found.complaints)


class Stored:
    """An array that stays on disk; it counts what is read of it."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.read = array.shape, 0

    def __getitem__(self, places: tuple) -> np.ndarray:
        found = self._array[places]
        self.read += found.size
        return found


def test_a_few_boxes_are_looked_at_of_what_stays_on_disk():
    array = np.arange(160**3, dtype=np.float32).reshape(160, 160, 160)
    array[0, 0, 0] = np.nan
    stored = Stored(array)

    found = grey_values(stored)

    assert (found.low, found.high) == (1, 160**3 - 1)
    assert found.missing == 1 / (27 * 48**3)
    assert stored.read == 27 * 48**3


def test_planes_are_looked_at_before_all_is_called_alike():
    array = np.zeros((30, 160, 160), np.uint8)
    array[:, 70] = 9  # between the boxes

    assert not list(grey_values(Stored(array)).complaints)
