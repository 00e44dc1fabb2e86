"""Slices that nobody painted: what leads a slice while a network learns from it."""

from dataclasses import replace

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import annotate_slices
from sparseseg.data.volume import Volume
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view.imagined import imagined
from tests.miniature import fresh_model

SIDE = 48
MIDDLE = SIDE // 2
FARTHEST = SIDE / 6
WHOLE = slice(0, SIDE), slice(0, SIDE)
PLANE = Box.plane((SIDE,) * 3, 0, MIDDLE)


@pytest.fixture
def scene():
    """One slice an axis, of which z alone shows a class: its first quarter."""
    annotation = annotate_slices(np.zeros((SIDE,) * 3, np.uint8), (1, 1, 1))
    annotation[MIDDLE, : MIDDLE - 4, : MIDDLE - 4] = 2
    return scene_of(annotation)


def scene_of(annotation):
    volume = Volume.from_array(np.arange(SIDE**3, dtype=np.uint32).reshape((SIDE,) * 3))
    labels = SparseLabels(annotation)
    return Scene.of(fresh_model((volume, labels)).plan, volume, labels)


def led(scene, *planes):
    """Return how near a slice is, and what is said of the class, on the plane z."""
    found = replace(scene, planes=planes).guide(PLANE)[:, 0]
    return found[0].numpy(), found[2].numpy()


def test_other_slices_never_lead_to_a_class_that_they_do_not_show(scene):
    z, *others = scene.planes
    assert led(scene, *others)[1].max() < 0
    neighbour = imagined(scene, z, WHOLE, np.random.default_rng(0))
    assert led(scene, *others, neighbour)[1][8, 8] > 0.2


def test_a_neighbour_is_as_far_away_as_slices_are_met(scene):
    drawn = [
        imagined(scene, scene.planes[0], WHOLE, np.random.default_rng(seed))
        for seed in range(10)
    ]
    near = np.stack([led(scene, neighbour)[0] for neighbour in drawn])
    away = 3 / near - 3  # see `BORDER`
    assert 0.499 < away.min() < 0.6
    assert FARTHEST - 1 < away.max() < FARTHEST + 0.001
    assert np.median(away) == pytest.approx((0.5 * FARTHEST) ** 0.5, rel=0.3)


def test_shapes_change_more_the_farther_away_a_neighbour_is(scene):
    plane = scene.planes[0]
    changed, far = [], []
    for seed in range(20):
        found = imagined(scene, plane, WHOLE, np.random.default_rng(seed))
        changed.append((found.target != plane.target).ravel())
        far.append(found.distance.numpy().ravel() > (FARTHEST / 2) ** 2)
    changed, far = np.concatenate(changed), np.concatenate(far)
    assert changed[far].mean() > 2 * changed[~far].mean() > 0


def test_a_neighbour_of_strokes_is_far_from_what_is_not_painted():
    annotation = np.zeros((SIDE,) * 3, np.uint8)
    annotation[MIDDLE, :, 2:5], annotation[MIDDLE, :, 7:10] = 1, 2
    scene = scene_of(annotation)
    found = imagined(scene, scene.planes[0], WHOLE, np.random.default_rng(0))
    assert found.distance[:, :5].max() < 20**2
    assert found.distance[:, -1].min() > 20**2


def test_the_same_numbers_draw_the_same_neighbour(scene):
    first, again, other = (
        imagined(scene, scene.planes[0], WHOLE, np.random.default_rng(seed)).inside
        for seed in (1, 1, 2)
    )
    assert first.equal(again)
    assert not first.equal(other)


def test_only_a_window_is_drawn(scene):
    window = slice(8, 20), slice(10, 30)
    found = imagined(scene, scene.planes[0], window, np.random.default_rng(0))
    assert (found.distance[window] > 0).all()
    assert np.count_nonzero(found.target >= 0) == found.distance.count_nonzero() == 240
