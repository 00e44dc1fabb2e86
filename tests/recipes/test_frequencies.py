"""How frequent outputs are where no label tells, by counts worked out by hand."""

import numpy as np
import pytest
import torch

from sparseseg.nn.trees import Trees
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view.frequencies import (
    expect_frequencies,
    factors,
    measured,
    more_frequent,
)
from sparseseg.work import result_of
from tests.miniature import (
    blob_case,
    fresh_model,
)

EVEN = torch.tensor([0.5, 0.5])


def told(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_what_is_told_for_sure_is_counted():
    rows = [(1.0, 0.0)] * 6 + [(0.0, 1.0)] * 4
    found = more_frequent(told(*rows), EVEN)
    assert found.tolist() == pytest.approx([6 / 5, 4 / 5])


def test_a_forest_that_knows_nothing_of_the_voxels_finds_them_as_it_learned():
    learned = torch.tensor([0.9, 0.1])
    found = more_frequent(told(*[(0.9, 0.1)] * 5), learned)
    assert found.tolist() == pytest.approx([1, 1])


def test_what_is_doubted_is_told_by_what_is_sure():
    # After one round there would be 0.3 + 0.5 * 0.6 of the second output, which is 1.2 times
    # as many; the voxels in doubt then count more as the second one, round after round.
    rows = [(1.0, 0.0)] + [(0.0, 1.0)] * 3 + [(0.5, 0.5)] * 6
    found = more_frequent(told(*rows), EVEN)
    assert 1.2 < float(found[1]) < 1.5
    assert float(found.mean()) == pytest.approx(1)


def test_an_output_that_was_never_learned_does_not_disturb():
    # Trees take such an output for always there, and never say it.
    rows = [(1.0, 0.0, 0.0)] * 6 + [(0.0, 1.0, 0.0)] * 4
    found = more_frequent(told(*rows), torch.tensor([0.5, 0.5, 1.0]))
    assert found[:2].tolist() == pytest.approx([6 / 5, 4 / 5])


def test_a_forest_is_asked_about_boxes_of_each_scene():
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    third = volume.shape[0] // 3

    def ask(_, box):
        answer = torch.zeros(2, *box.shape)
        # The first output lies in a third of the volume.
        answer[int(box.start[0] >= third)] = 1
        return answer

    for scenes in ([scene], [scene, scene]):
        found = result_of(measured(scenes, ask, EVEN))
        assert found.tolist() == pytest.approx([2 / 3, 4 / 3])


def grown_from(volume, labels):
    """Return a scene, and trees that do not look: half of everything is of each output."""
    scene = Scene.of(fresh_model((volume, labels)).plan, volume, labels)
    trees = Trees(1, 3)
    trees.frequent.copy_(torch.tensor([0.5, 0.25, 0.25]))
    trees.shares.copy_(trees.frequent.expand_as(trees.shares))
    return scene, trees


def found_so(*shares):
    """Return what asks a forest that is sure, and finds so much of each output."""

    def ask(_, box):
        numbers = np.arange(np.prod(box.shape)) / np.prod(box.shape)
        output = np.searchsorted(np.cumsum(shares), numbers, side="right")
        answer = np.eye(3)[output].T.reshape(3, *box.shape)
        return torch.tensor(answer, dtype=torch.float32)

    return ask


def test_trees_of_strokes_expect_outputs_as_frequent_as_in_the_volume():
    volume, labels = blob_case()
    labels.array[labels.array > 0] = 0
    labels.array[5, 8:20, 8:20] = 255
    labels.array[5, 10:12, 10:12] = 1
    labels.array[5, 14:16, 10:12] = 2
    scene, trees = grown_from(volume, labels)
    result_of(expect_frequencies([scene], trees, found_so(0.85, 0.125, 0.025)))
    # The root of how much rarer they are is believed, and a tenth is taken for a quarter.
    likely = np.array([0.5 * 1.7**0.5, 0.25 * 0.5**0.5, 0.25 * 0.5])
    expected = likely / likely.sum()
    assert trees.frequent.numpy() == pytest.approx(expected, rel=0.05)
    answer = trees.natural(torch.zeros(1, 1))[0].numpy()
    assert answer == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("strokes", [0, 1])
def test_whole_slices_show_how_frequent_outputs_are(strokes):
    volume, labels = blob_case()
    labels.array[-1, :strokes] = 1
    scene, trees = grown_from(volume, labels)
    assert sum(not where.complete for where in scene.slices) == strokes
    result_of(expect_frequencies([scene], trees, found_so(0.85, 0.125, 0.025)))
    assert trees.frequent.tolist() == [0.5, 0.25, 0.25]


def test_an_output_that_trees_never_learned_stays_so():
    trees = Trees(1, 3)
    trees.frequent.copy_(torch.tensor([0.5, 0.5, 1.0]))
    trees.expect(torch.tensor([1.5, 0.5, 1.0]))
    assert trees.frequent.tolist() == [0.75, 0.25, 1.0]


@pytest.mark.parametrize(
    ("shares", "times"),
    [
        # Trees with a shift of 1. Of the outputs background, 1 and 2, in thirds where the trees learned.
        ((0.2, 0.4, 0.4), (1, 1.2, 1.2)),
        ((0.9, 0.1, 0.0), (1, 1, 1)),  # noise may hide both
        ((0.0, 0.9, 0.1), (1, 2, 1)),
    ],
)
def test_a_class_is_taken_for_more_frequent_and_never_for_rarer(shares, times):
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    assert scene.plan.classes == (0, 1, 2)
    trees = Trees(1, 3)
    trees.frequent.fill_(1 / 3)
    trees.shift.fill_(1)

    def ask(_, box):
        size = np.prod(box.shape)
        answer = np.repeat(
            np.eye(3), np.diff([0, *np.rint(np.cumsum(shares) * size)]).astype(int), 0
        )
        return torch.tensor(answer.T.reshape(3, *box.shape), dtype=torch.float32)

    found = result_of(factors(scene, trees, ask))
    # All are as frequent where the trees learned, so that none is favoured.
    assert (found / found[0]).tolist() == pytest.approx(times, rel=0.05)


def test_a_volume_is_looked_at_again_only_by_other_trees():
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    trees, asked = Trees(1, 3), []
    trees.frequent.fill_(1 / 3)

    def ask(_, box):
        asked.append(box)
        return torch.full((3, *box.shape), 1 / 3)

    first = result_of(factors(scene, trees, ask))
    boxes = len(asked)
    assert boxes > 1
    assert result_of(factors(scene, trees, ask)) is first
    assert len(asked) == boxes
    trees.cut[0, 0] = 0.5  # as when they grow anew
    result_of(factors(scene, trees, ask))
    assert len(asked) == 2 * boxes


def test_what_is_rare_where_the_trees_learned_is_favoured():
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    trees = Trees(1, 3)
    trees.frequent.copy_(torch.tensor([1 - 2 / 64, 1 / 64, 1 / 64]))

    def ask(_, box):
        return trees.frequent[:, None, None, None].expand(3, *box.shape)

    found = result_of(factors(scene, trees, ask))
    # The sixth root of 1 / 64 is 1 / 2.
    assert found.tolist() == pytest.approx([1, 2, 2], rel=0.01)
