from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.intensity import GreyCurve
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.recipes import Plan, Scene
from sparseseg.recipes.patches import (
    draw_patch,
    extent,
    patch_for,
    window_probabilities,
)


def scene(shape, *, patch=(4, 4, 4), spacing=(1.0, 1.0, 1.0), wanted=None) -> Scene:
    grey = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    plan = Plan(
        recipe="mssunet",
        outputs=(255, 1),
        spacing=wanted or spacing,
        unit="um",
        curves=(GreyCurve((0.0, 1e6), (0.0, 1e6)),),
        patch=patch,
        network={},
    )
    painted = np.zeros(shape, np.uint8)
    painted[shape[0] // 2] = 255
    painted[shape[0] // 2, 1, 1] = 1
    volume = Volume.from_array(grey, spacing=spacing, unit="um")
    return Scene.of(plan, volume, SparseLabels(painted))


def grey_as_probabilities(image):
    return torch.cat([image, 1 - image], 1)


def of(scene, box=None, **options):
    box = box or Box.whole(scene.volume.shape)
    return window_probabilities(grey_as_probabilities, scene, box, **options)


@pytest.mark.parametrize("shape", [(4, 4, 4), (3, 9, 5), (1, 2, 13), (10, 11, 6)])
def test_every_voxel_gets_the_answer_of_its_own_place(shape):
    found = of(scene(shape))
    expected = torch.arange(float(np.prod(shape))).view(shape)
    torch.testing.assert_close(found[0], expected)


def test_a_box_gets_what_the_whole_volume_gets():
    volume = scene((9, 12, 7))
    noise = torch.Generator().manual_seed(0)
    answers = {}

    def predict(image):
        key = float(image.sum())
        if key not in answers:
            answers[key] = torch.rand(1, 2, 4, 4, 4, generator=noise)
        return answers[key]

    whole = window_probabilities(predict, volume, Box.whole((9, 12, 7)))
    box = Box((2, 5, 1), (7, 11, 6))
    part = window_probabilities(predict, volume, box)
    torch.testing.assert_close(part, whole[(slice(None), *box.slices)])


def test_mirror_images_are_averaged():
    volume = scene((4, 4, 4))
    slope = torch.arange(4.0).view(1, 1, 1, 1, 4).expand(1, 2, 4, 4, 4)
    found = window_probabilities(
        lambda _: slope, volume, Box.whole((4, 4, 4)), mirror=(2,)
    )
    torch.testing.assert_close(found, torch.full((2, 4, 4, 4), 1.5))


def test_a_patch_covers_the_same_extent_in_voxels_of_another_size():
    coarse = scene((6, 12, 12), spacing=(2.0, 1.0, 1.0), wanted=(1.0, 1.0, 1.0))
    assert extent(coarse) == (2, 4, 4)
    assert of(coarse).shape == (2, 6, 12, 12)
    image, target = draw_patch([coarse], np.random.default_rng(0))
    assert image.shape == (1, 4, 4, 4)
    assert target.shape == (4, 4, 4)


def test_a_patch_covers_the_same_extent_where_a_volume_is_measured_in_another_unit():
    made = scene((6, 12, 12), spacing=(1.0, 1.0, 1.0))
    nanometres = replace(made.volume, spacing=(2000.0, 1000.0, 500.0), unit="nm")
    assert extent(replace(made, volume=nanometres)) == (2, 4, 8)


def test_a_drawn_patch_holds_labels():
    volume = scene((9, 12, 7))
    rng = np.random.default_rng(0)
    for _ in range(20):
        image, target = draw_patch([volume], rng)
        assert image.shape == (1, 4, 4, 4)
        assert (target >= 0).any()


def test_a_patch_is_as_large_as_the_volume_needs_and_the_limit_allows():
    assert patch_for((20, 300, 10), (48, 192, 192), (8, 32, 32)) == (24, 192, 32)
