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
