"""How frequent outputs are in a volume without annotation, by counts worked out by hand."""

import numpy as np
import pytest
import torch

from sparseseg.boxes import spread
from sparseseg.nn.trees import Trees
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view.frequencies import (
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


def test_a_forest_is_asked_about_each_box():
    boxes = spread((9, 9, 9), (1, 1, 1))

    def forest(box):
        answer = torch.zeros(2, *box.shape)
        answer[int(box.start[0] >= 3)] = 1  # a third of the volume is of the first
        return answer

    found = result_of(measured(boxes, forest, EVEN))
    assert found.tolist() == pytest.approx([2 / 3, 4 / 3])


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

    def forest(box):
        size = np.prod(box.shape)
        answer = np.repeat(
            np.eye(3), np.diff([0, *np.rint(np.cumsum(shares) * size)]).astype(int), 0
        )
        return torch.tensor(answer.T.reshape(3, *box.shape), dtype=torch.float32)

    found = result_of(factors(scene, trees, forest))
    # All are as frequent where the trees learned, so that none is favoured.
    assert (found / found[0]).tolist() == pytest.approx(times, rel=0.05)


def test_a_volume_is_looked_at_again_only_by_other_trees():
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    trees, asked = Trees(1, 3), []
    trees.frequent.fill_(1 / 3)

    def forest(box):
        asked.append(box)
        return torch.full((3, *box.shape), 1 / 3)

    first = result_of(factors(scene, trees, forest))
    boxes = len(asked)
    assert boxes > 1
    assert result_of(factors(scene, trees, forest)) is first
    assert len(asked) == boxes
    trees.cut[0, 0] = 0.5  # as when they grow anew
    result_of(factors(scene, trees, forest))
    assert len(asked) == 2 * boxes


def test_what_is_rare_where_the_trees_learned_is_favoured():
    volume, labels = blob_case()
    scene = Scene.of(fresh_model((volume, labels)).plan, volume)
    trees = Trees(1, 3)
    trees.frequent.copy_(torch.tensor([1 - 2 / 64, 1 / 64, 1 / 64]))

    def forest(box):
        return trees.frequent[:, None, None, None].expand(3, *box.shape)

    found = result_of(factors(scene, trees, forest))
    # The sixth root of 1 / 64 is 1 / 2.
    assert found.tolist() == pytest.approx([1, 2, 2], rel=0.01)
