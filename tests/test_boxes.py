import numpy as np
import pytest

from sparseseg.boxes import Box, spread, tiles
from sparseseg.errors import UserError


def test_a_box_knows_its_shape_and_index():
    box = Box((1, 2, 3), (2, 4, 6))
    assert box.shape == (1, 2, 3)
    assert np.zeros((5, 6, 7))[box.slices].shape == (1, 2, 3)


def test_a_box_grows_and_is_clipped():
    grown = Box((1, 2, 3), (2, 4, 6)).expand((2, 0, 1))
    assert grown == Box((-1, 2, 2), (4, 4, 7))
    assert grown.clip((3, 3, 9)) == Box((0, 2, 2), (3, 3, 7))


def test_boxes_apart_have_an_empty_intersection():
    apart = Box((0, 0, 0), (2, 2, 2)).intersect(Box((0, 5, 0), (2, 9, 2)))
    assert apart.is_empty
    assert apart.shape == (2, 0, 2)


def test_boxes_that_overlap_are_not_empty():
    assert not Box((0, 0, 0), (2, 2, 2)).intersect(Box((1, 1, 1), (3, 3, 3))).is_empty


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 9), (8, 8, 8), (3, 20, 1)])
@pytest.mark.parametrize("tile", [(1, 2, 3), (4, 4, 4), (100, 100, 100)])
def test_every_voxel_is_written_exactly_once(shape, tile):
    written = np.zeros(shape, int)
    for step in tiles(shape, tile=tile):
        assert all(n <= t for n, t in zip(step.write.shape, tile, strict=True))
        written[step.write.slices] += 1
    assert (written == 1).all()


def test_only_the_voxels_of_a_box_are_written():
    written = np.zeros((6, 6, 6), int)
    for step in tiles((6, 6, 6), tile=(2, 3, 4), box=Box((1, 2, 3), (4, 9, 5))):
        written[step.write.slices] += 1
    expected = np.zeros((6, 6, 6), int)
    expected[1:4, 2:6, 3:5] = 1
    np.testing.assert_array_equal(written, expected)


def test_a_tile_says_what_it_reads():
    first, second = tiles(
        (4, 4, 4),
        tile=(2, 4, 4),
        reads=lambda box: box.expand((1, 0, 0)).clip((4, 4, 4)),
    )
    assert first.read == Box((0, 0, 0), (3, 4, 4))
    assert second.read == Box((1, 0, 0), (4, 4, 4))


def test_sizes_are_spread_evenly():
    lengths = [t.write.shape[2] for t in tiles((1, 1, 10), tile=(1, 1, 4))]
    assert lengths == [3, 3, 4]


def test_tiles_count_to_their_total():
    steps = list(tiles((4, 4, 4), tile=(2, 2, 4)))
    assert [(t.done, t.total) for t in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_empty_box_has_no_tiles():
    outside = Box((9, 9, 9), (12, 12, 12))
    assert not list(tiles((4, 4, 4), tile=(2, 2, 2), box=outside))


def test_a_tile_without_voxels_is_refused():
    with pytest.raises(UserError, match=r"at least one voxel .* got \(0, 1, 1\)"):
        next(tiles((4, 4, 4), tile=(0, 1, 1)))


@pytest.mark.parametrize(
    ("shape", "anisotropy", "boxes"),
    [
        ((300, 300, 300), (1, 1, 1), 27),
        ((12, 20, 18), (1, 1, 1), 27),
        ((1, 64, 64), (1, 1, 1), 9),
        ((40, 400, 400), (8, 1, 1), 27),
        ((2, 3, 1), (1, 1, 1), 6),
    ],
)
def test_boxes_lie_apart_all_over_the_volume(shape, anisotropy, boxes):
    times = np.zeros(shape, int)
    found = spread(shape, anisotropy)
    for box in found:
        times[box.slices] += 1
    assert len(found) == boxes
    assert times.max() == 1
    assert times.sum() == sum(np.prod(box.shape) for box in found)
    rows = np.flatnonzero(times.any((0, 1)))
    assert rows.mean() == pytest.approx((shape[2] - 1) / 2, abs=1)
    sides = np.array(found[0].shape) * anisotropy
    if min(shape) > 30:
        assert sides.max() <= 1.5 * sides.min()
