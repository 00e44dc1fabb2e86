"""What is shown from a single slice: whether a walker that starts there keeps its way."""

from types import SimpleNamespace

import numpy as np
import pytest

from sparseseg.classes import BACKGROUND
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine import lone_slice
from sparseseg.engine.lone_slice import agreed_on, by_default
from sparseseg.recipes import Scene
from sparseseg.work import result_of
from tests.miniature import fresh_model, shrink

SHAPE = (24, 24, 24)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


def learned(grey, truth, z):
    """Return a model that was prepared with one slice of a volume, and its scene."""
    noise = np.random.default_rng(0).normal(0, 0.1, SHAPE)
    volume = Volume.from_array((grey + noise).astype(np.float32))
    array = np.zeros(SHAPE, np.uint8)
    array[z] = np.where(truth[z], 1, BACKGROUND)
    labels = SparseLabels(array)
    model = fresh_model((volume, labels))
    scene = Scene.of(model.plan, volume, labels)
    for _ in model.recipe.prepare(model.network, [scene], np.random.default_rng(0)):
        pass
    return model, scene


def test_a_walker_agrees_with_trees_along_a_bar():
    bar = np.zeros(SHAPE, bool)
    bar[:, 6:18, 6:18] = True
    model, scene = learned(bar, bar, 12)
    assert result_of(agreed_on(model, scene)) > 0.9


def test_a_walker_that_meets_other_structures_does_not():
    # Balls apart: from one of them no way leads to the others.
    z, y, x = np.ogrid[:24, :24, :24]
    balls = sum(
        (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= 10
        for a in (3, 12, 20)
        for b in (4, 12, 20)
        for c in (4, 12, 20)
    ).astype(bool)
    model, scene = learned(balls, balls, 12)
    assert result_of(agreed_on(model, scene)) < 0.5


@pytest.mark.parametrize(
    ("told", "agreement", "shown"),
    [(0.8, 0.5, "near"), (0.8, 0.4, "mixed"), (0.4, 0.3, "near"), (0.4, 0.1, "mixed")],
)
def test_near_is_shown_if_a_walker_keeps_to_what_grey_values_tell(
    monkeypatch, told, agreement, shown
):
    def asked(_model, _scene):
        yield 0.5
        return agreement

    monkeypatch.setattr(lone_slice, "agreed_on", asked)
    recipe = SimpleNamespace(
        is_guided=True, has_classifiers=True, told_by_grey=lambda _network: told
    )
    model = SimpleNamespace(recipe=recipe, network=None)
    one, two = SimpleNamespace(slices=[1]), SimpleNamespace(slices=[1, 2])
    assert result_of(by_default(model, [one])) == shown
    assert result_of(by_default(model, [one, two])) == "mixed"
    recipe.has_classifiers = False
    assert result_of(by_default(model, [one])) == "mixed"
    recipe.is_guided = False
    assert result_of(by_default(model, [one])) == "network"
