import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.recipes import Scene
from sparseseg.recipes.planes import (
    crop_side,
    draw_crop,
    plane_probabilities,
    view_weights,
    with_neighbours,
)
from tests.recipes.test_patches import scene

SHAPE = (5, 6, 7)


def grey() -> torch.Tensor:
    return torch.arange(float(np.prod(SHAPE))).view(SHAPE)


def middle_channel(planes: torch.Tensor) -> torch.Tensor:
    middle = planes.shape[1] // 2
    return torch.cat([planes[:, middle : middle + 1]] * 2, 1)


@pytest.mark.parametrize("views", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
@pytest.mark.parametrize("multiple", [1, 4])
def test_planes_of_every_view_are_put_back_where_they_were(views, multiple):
    found = plane_probabilities(
        middle_channel,
        scene(SHAPE),
        Box.whole(SHAPE),
        views=views,
        multiple=multiple,
        beside=1,
    )
    torch.testing.assert_close(found[0], grey())


def test_planes_are_shown_whole_and_mirrored_to_a_multiple():
    shown = []

    def predict(planes):
        shown.append(planes)
        return middle_channel(planes)

    box = Box((1, 2, 3), (2, 4, 5))
    found = plane_probabilities(predict, scene(SHAPE), box, views=(1, 0, 0), multiple=4)
    assert [planes.shape for planes in shown] == [(1, 1, 8, 8)]
    torch.testing.assert_close(shown[0][0, 0, 6, :7], grey()[1, 4])
    torch.testing.assert_close(found[0], grey()[box.slices])


def test_views_are_averaged_by_their_weights():
    calls = iter([1.0, 5.0])

    def predict(planes):
        return torch.full((len(planes), 2, *planes.shape[2:]), next(calls))

    found = plane_probabilities(
        predict, scene(SHAPE), Box.whole(SHAPE), views=(3, 0, 1)
    )
    torch.testing.assert_close(found, torch.full((2, *SHAPE), 2.0))


def test_a_single_slice_is_seen_in_its_own_view_alone():
    seen = []

    def predict(planes):
        seen.append(tuple(planes.shape[2:]))
        return middle_channel(planes)

    box = Box((0, 2, 0), (5, 3, 7))
    plane_probabilities(predict, scene(SHAPE), box, views=(1, 1, 1))
    assert seen == [(5, 7)]


def test_the_outermost_planes_stand_in_for_those_beyond():
    volume = scene(SHAPE)
    found = with_neighbours(volume, Box((0, 0, 0), (1, 6, 7)), 0, beside=1)
    assert found.shape == (1, 3, 6, 7)
    for channel, plane in enumerate((0, 0, 1)):
        torch.testing.assert_close(found[0, channel], grey()[plane])


def test_a_crop_lies_on_an_annotated_slice_and_holds_labels():
    volume = scene(SHAPE)
    for seed in range(20):
        image, target = draw_crop([volume], 4, np.random.default_rng(seed), beside=1)
        assert image.shape == (3, 4, 4)
        assert set(target.unique().tolist()) <= {-1, 0, 1}
        assert (target >= 0).any()


def test_a_crop_is_no_larger_than_the_planes():
    assert crop_side([scene(SHAPE)], 96, 16) == 16
    assert crop_side([scene((5, 300, 7))], 96, 16) == 96


def test_only_annotated_views_count():
    assert view_weights([scene(SHAPE)]) == [1.0, 0.0, 0.0]
    flat = scene(SHAPE, spacing=(4.0, 1.0, 1.0))
    assert view_weights([flat]) == [1.0, 0.0, 0.0]


def test_without_annotated_slices_no_view_counts():
    bare = scene(SHAPE)
    assert view_weights([Scene(bare.plan, bare.volume)]) == [0.0, 0.0, 0.0]
