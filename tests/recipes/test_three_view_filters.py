"""Which filters a model of three-view looks at: those of its version."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import features
from tests.miniature import fresh_model

SHAPE = (16, 16, 16)
SLOPE = 2  # of the first octave
NOISE = np.random.default_rng(0).random((8, 50, 40)).astype(np.float32)


def ramp(spacing=(1.0, 1.0, 1.0)):
    """Return a volume that is brighter and brighter along z, and its annotation."""
    array = np.zeros(SHAPE, np.float32) + np.arange(16.0)[:, None, None]
    labels = np.zeros(SHAPE, np.uint8)
    labels[8, :8], labels[8, 8:] = 1, 255
    return Volume.from_array(array, spacing=spacing, unit="um"), SparseLabels(labels)


def plans(labelled):
    """Return the plan of a new model, and the same of a model of an earlier version."""
    plan = fresh_model(labelled).plan
    old = {name: value for name, value in plan.network.items() if name != "bank"}
    return plan, replace(plan, network=old)


def noise():
    """Return a scene of noise with one annotated slice."""
    labels = np.zeros(NOISE.shape, np.uint8)
    labels[4, :9], labels[4, 9:] = 1, 255
    labelled = Volume.from_array(NOISE), SparseLabels(labels)
    return Scene.of(fresh_model(labelled).plan, *labelled)


@pytest.mark.parametrize(
    ("spacing", "found"),
    [
        ((1.5, 1.0, 1.0), (1, 1, 1)),
        ((2.2, 1.0, 1.0), (2, 1, 1)),
        ((0.2, 0.1, 0.1), (2, 1, 1)),
        ((11.0, 1.0, 1.0), (8, 1, 1)),
    ],
)
def test_filters_go_by_voxel_sides_in_powers_of_two(spacing, found):
    new, old = plans(ramp(spacing))
    assert features.sides(new) == found
    assert features.sides(old) == old.anisotropy


def test_a_ramp_ends_in_a_slope_and_for_an_earlier_model_in_a_mirror():
    volume, labels = ramp()
    slopes = [
        features.features(Scene.of(plan, volume, labels), Box.whole(SHAPE))[SLOPE]
        for plan in plans((volume, labels))
    ]
    within = slopes[0][8, 8, 8]
    assert slopes[0][0, 8, 8] > 0.1
    torch.testing.assert_close(slopes[1][0, 8, 8], torch.tensor(0.0).half())
    torch.testing.assert_close(slopes[1][8, 8, 8], within)


def test_the_filters_of_a_plane_are_those_of_the_whole_volume(monkeypatch):
    scene = noise()
    whole = features.features(scene, Box.whole(NOISE.shape))
    monkeypatch.setattr(features, "_REMEMBERED", 0)
    monkeypatch.setattr(features, "_READ", 100 * 90 * 100)  # several parts a plane
    again = Scene.of(scene.plan, Volume.from_array(NOISE))
    for axis, index in ((0, 2), (1, 30), (2, 15)):
        plane = Box.plane(NOISE.shape, axis, index)
        found = features.features(again, plane)
        torch.testing.assert_close(found, whole[(slice(None), *plane.slices)])


def test_the_last_planes_are_remembered_up_to_a_limit(monkeypatch):
    scene = noise()
    monkeypatch.setattr(features, "_REMEMBERED", 0)
    monkeypatch.setattr(features, "_RECENT", 2 * NOISE[0].size)
    made = []
    filtered = features._filtered
    monkeypatch.setattr(
        features, "_filtered", lambda *args: made.append(args) or filtered(*args)
    )
    for index in (1, 2, 1, 3, 1, 2):  # the fourth drives 2 out, the sixth 3
        features.features(scene, Box.plane(NOISE.shape, 0, index))
    assert len(made) == 4


def test_the_inside_of_the_last_tile_is_not_filtered_again(monkeypatch):
    monkeypatch.setattr(features, "_REMEMBERED", 0)
    filtered = []
    bank = features._bank

    def spy(scene, box):
        filtered.append(box)
        return bank(scene, box)

    monkeypatch.setattr(features, "_bank", spy)
    scene = noise()
    wide, inside = Box((0, 0, 0), (6, 30, 30)), Box((2, 5, 5), (4, 20, 20))
    other = Box((0, 20, 10), (8, 50, 40))
    around = features.features(scene, wide)
    again = features.features(scene, inside)
    features.features(scene, other)
    features.features(scene, inside)

    assert filtered == [wide, other, inside]
    assert torch.equal(again, around[:, 2:4, 5:20, 5:20])
