"""Patches of guided 3-D networks: what leads is not learned from."""

from itertools import islice

import numpy as np
import pytest
import torch

from sparseseg import recipes
from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.nn.losses import IGNORE
from sparseseg.recipes import Scene, led_patches
from sparseseg.recipes.resident import resident_grey


def scene_of(classes=2, slices=(2, 6, 10), shape=(12, 16, 16)):
    painted = np.zeros(shape, np.uint8)
    for z in slices:
        painted[z] = 1 + np.arange(shape[2]) * classes // shape[2]
    grey = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    volume, labels = Volume.from_array(grey), SparseLabels(painted)
    recipe = recipes.get("unet3d-guided")
    outputs = tuple(range(1, classes + 1))
    plan = recipe.plan([(volume, labels)], outputs, recipe.card.options())
    return Scene.of(plan, volume, labels)


def parted(scene, draws=200):
    rng = np.random.default_rng(0)
    return [led_patches._parted(scene, 1, 0.25, rng) for _ in range(draws)]


def test_the_drawn_slice_is_always_learned_from():
    scene = scene_of()
    assert all(scene.slices[1] in learned.slices for _, learned in parted(scene))


def test_a_slice_leads_or_is_learned_from_but_for_one_patch_in_ten():
    both = [bool(set(a.slices) & set(b.slices)) for a, b in parted(scene_of(), 2000)]
    assert np.mean(both) == pytest.approx(0.1, abs=0.02)


def test_a_quarter_of_the_patches_has_no_guidance():
    # What is left of two slices may be none: the share is measured with many.
    scene = scene_of(slices=tuple(range(12)))
    alone = [not leading.slices for leading, _ in parted(scene, 2000)]
    assert np.mean(alone) == pytest.approx(0.25, abs=0.06)


def test_a_single_slice_never_leads():
    scene = scene_of(slices=(5,))
    rng = np.random.default_rng(0)
    leading = [led_patches._parted(scene, 0, 0.25, rng)[0] for _ in range(50)]
    assert not any(one.slices for one in leading)


def test_of_many_classes_a_few_are_asked_for_and_one_of_them_is_absent():
    rng = np.random.default_rng(0)
    target = torch.tensor([5, 7, 7, IGNORE]).view(1, 1, 2, 2)
    inputs = torch.arange(1 + 1 + 9.0).view(1, -1, 1, 1, 1).expand(1, 11, 1, 2, 2)
    batch = led_patches._asked(inputs, target, 9, rng)
    assert batch.asked.tolist() == sorted(batch.asked.tolist())
    assert {5, 7} < set(batch.asked.tolist())
    assert len(batch.asked) == 4
    named = batch.asked[batch.target.clamp_min(0)]
    assert named.flatten().tolist()[:3] == [5, 7, 7]
    assert batch.target.flatten()[3] == IGNORE
    assert batch.inputs[0, 2:, 0, 0, 0].tolist() == [2 + c for c in batch.asked]


def test_classes_that_are_not_asked_for_are_not_learned_from():
    rng = np.random.default_rng(0)
    target = torch.arange(8).view(1, 2, 2, 2)
    batch = led_patches._asked(torch.zeros(1, 10, 2, 2, 2), target, 8, rng)
    assert len(batch.asked) == 4
    assert (batch.target != IGNORE).sum() == 4


def test_the_loss_falls_to_nothing_for_the_classes_asked_for():
    recipe, scene = recipes.get("unet3d-guided"), scene_of(classes=6)
    rng = np.random.default_rng(0)
    (batch,) = islice(recipe.batches([scene], rng, recipe.stages(scene.plan)[0]), 1)
    right = torch.nn.functional.one_hot(batch.target.clamp_min(0), 4).movedim(-1, 1)
    loss = recipe.loss((30.0 * right,), batch, recipe.class_weights(scene.counts))
    assert float(loss) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    "box", [Box((1, 2, 3), (5, 9, 11)), Box((-4, 8, -2), (14, 20, 3))]
)
def test_the_kept_grey_values_are_those_of_the_scene(box):
    scene = scene_of()
    found = resident_grey(scene, box)
    torch.testing.assert_close(found, scene.grey(box), atol=2e-3, rtol=1e-3)
