"""Structures that no slice shows, and that vanish between slices, are flagged."""

import numpy as np
import pytest

from sparseseg.data.proposals import between_slices
from sparseseg.evaluation.doubt import Doubt, Inspected, Place, inspect

SIDE = 40
SLICES = (4, 16, 28, 38)
Z, Y, X = np.mgrid[:SIDE, :SIDE, :SIDE]
TUBE = (Y - 12) ** 2 + (X - 12) ** 2 < 36
GAP = TUBE & (Z > 19) & (Z < 25)


def grey() -> np.ndarray:
    """A bright tube on a dark and noisy ground."""
    noise = np.random.default_rng(0).normal(0.2, 0.05, (SIDE,) * 3)
    return noise + 0.4 * TUBE


def doubt_of(image: np.ndarray, prediction: np.ndarray, **others) -> Doubt:
    annotation = np.zeros((SIDE,) * 3, np.uint8)
    for z in SLICES:
        annotation[z] = np.where(TUBE[z], 1, 255)
    given = {"uncertainty": np.zeros((SIDE,) * 3, np.uint8), **others}
    return inspect(
        Inspected(
            image=image[None],
            annotation=annotation,
            prediction=prediction.astype(np.uint8),
            shapes=[between_slices(annotation, 0)],
            known=[(0, z) for z in SLICES],
            sides=(1.0, 1.0, 1.0),
            **given,
        )
    )


def worst(doubt: Doubt) -> Place:
    return doubt.worst(TUBE.astype(np.uint8), 1)[0]


def test_a_structure_that_no_slice_shows_is_the_worst_place():
    planted = (Z - 10) ** 2 + (Y - 28) ** 2 + (X - 28) ** 2 < 16
    place = worst(doubt_of(grey() + 0.8 * planted, TUBE))
    assert np.abs(np.subtract(place.at, (10, 28, 28))).max() <= 2
    assert (place.sign, place.predicted) == ("unlike", 0)
    assert place.doubt > 0.9


def test_a_structure_that_vanishes_and_is_predicted_all_the_same_is_the_worst_place():
    place = worst(doubt_of(grey() - 0.4 * GAP, TUBE))
    assert GAP[place.at]
    assert (place.sign, place.predicted) == ("unlike", 1)


def test_a_structure_that_is_missing_from_the_prediction_is_the_worst_place():
    doubt = doubt_of(grey(), TUBE & ~GAP)
    place = doubt.worst((TUBE & ~GAP).astype(np.uint8), 1)[0]
    assert 18 <= place.at[0] <= 26
    assert np.abs(np.subtract(place.at[1:], (12, 12))).max() <= 7


def test_the_shape_of_the_slices_speaks_where_the_image_does_not():
    flat = np.full((SIDE,) * 3, 0.5)
    doubt = doubt_of(flat, TUBE & ~GAP)
    assert doubt.signs["unlike"].max() == 0
    assert doubt.signs["shape"][22, 12, 12] > 0.4
    assert doubt.signs["shape"][10, 12, 12] == 0


def test_where_the_prediction_is_not_sure_is_a_place():
    unsure = np.zeros((SIDE,) * 3, np.uint8)
    unsure[30:36, 30:36, 30:36] = 250
    place = worst(doubt_of(grey(), TUBE, uncertainty=unsure))
    assert place.sign == "unsure"
    assert all(30 <= at < 36 for at in place.at)


def test_annotated_voxels_are_not_doubtful():
    doubt = doubt_of(grey(), ~TUBE)
    assert doubt.whole((SIDE,) * 3)[list(SLICES)].max() == 0


def test_a_right_prediction_of_what_was_seen_has_hardly_a_place():
    assert len(doubt_of(grey(), TUBE).worst(TUBE.astype(np.uint8), 10)) <= 2


@pytest.mark.parametrize("length", [100, 300])
def test_each_voxel_has_the_doubt_of_its_cell(length):
    step = -(-length // 128)
    cells = np.linspace(0, 1, -(-length // step), dtype=np.float32)[:, None, None]
    doubt = Doubt((step, 1, 1), {"unsure": cells})
    whole = doubt.whole((length, 1, 1))
    assert whole.shape == (length, 1, 1)
    assert (whole[0], whole[-1]) == (0, 255)


class Planes:
    """An image of which only single planes may be read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.read = array, []

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        _, z, _, _ = key
        assert z.stop - z.start == 1
        self.read.append(z.start)
        return self.array[key]


def test_of_a_deep_image_only_some_planes_are_read():
    image = Planes(np.random.default_rng(0).random((1, 300, 4, 4)))
    shape = image.array.shape[1:]
    annotation = np.zeros(shape, np.uint8)
    annotation[[30, 270]] = 255
    case = Inspected(
        image=image,
        annotation=annotation,
        prediction=np.zeros(shape, np.uint8),
        uncertainty=np.zeros(shape, np.uint8),
        shapes=[between_slices(annotation, 0)],
        known=[(0, 30), (0, 270)],
        sides=(1.0, 1.0, 1.0),
    )
    assert inspect(case).steps == (3, 1, 1)
    assert image.read == list(range(0, 300, 3))
