"""How much of its surroundings a voxel is judged by, as left-out volumes tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.nn.filters import PER_OCTAVE, filter_count
from sparseseg.nn.trees import Trees
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import slices, surroundings
from sparseseg.recipes.three_view.surroundings import hidden_channels
from sparseseg.starting import create
from sparseseg.work import result_of
from tests.miniature import (
    settings,
)

SHAPE = (16, 24, 24)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(surroundings, "_TREES", 4)


def case(corner, *, is_bright):
    """Annotate all of a noisy volume with a box, which is brighter or only lies somewhere."""
    rng = np.random.default_rng(corner[1])
    grey = rng.integers(90, 110, SHAPE)
    truth = np.full(SHAPE, 255, np.uint8)
    y, x = corner
    truth[:, y : y + 10, x : x + 10] = 1
    if is_bright:
        grey[truth == 1] += 5
    return Volume.from_array(grey.astype(np.uint8)), SparseLabels(truth)


def hidden(cases):
    plan = create(cases, settings()).plan
    # Without a foreground that differs from noise, the volume itself is the extent.
    extent = tuple((0.0, float(side - 1)) for side in SHAPE)
    scenes = [replace(Scene.of(plan, *one), extent=extent) for one in cases]
    drawn = [one for one in slices.training_slices(scenes) if one.where.index % 5 == 2]
    trees = Trees(filter_count() + 3, len(plan.outputs))
    return result_of(hidden_channels(drawn, trees, plan, np.random.default_rng(0)))


def test_a_place_that_says_nothing_of_another_volume_is_not_looked_at():
    found = hidden([case((2, 2), is_bright=True), case((12, 12), is_bright=True)])
    assert not found[:, : 1 + 2 * PER_OCTAVE].any()
    assert found[:, filter_count() :].all()


def test_a_place_that_says_all_is_looked_at():
    found = hidden([case((7, 3), is_bright=False), case((7, 3), is_bright=False)])
    assert not found[:, filter_count() :].any()


def test_a_single_volume_hides_nothing():
    found = hidden([case((2, 2), is_bright=True)])
    assert found.shape == (1, filter_count() + 3)
    assert not found.any()


def test_the_channels_of_each_image_channel_are_hidden_alike():
    one, two = case((2, 2), is_bright=True), case((12, 12), is_bright=True)
    pairs = [
        (replace(v, array=np.concatenate([v.array, v.array])), labels)
        for v, labels in (one, two)
    ]
    plan = create(pairs, settings()).plan
    scenes = [Scene.of(plan, *pair) for pair in pairs]
    drawn = [one for one in slices.training_slices(scenes) if one.where.index == 4]
    trees = Trees(2 * filter_count() + 3, len(plan.outputs))
    found = result_of(hidden_channels(drawn, trees, plan, np.random.default_rng(0)))
    first, second, _ = torch.split(found, [filter_count(), filter_count(), 3], dim=1)
    assert torch.equal(first, second)
    assert not first[:, 0].any()
