"""Both uses are scored: a volume with its slices, and one that nobody annotated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparseseg.batch.facts import facts_of
from sparseseg.batch.items import Item
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine import held_out, other_volume
from sparseseg.engine.score.evidence import elsewhere_of
from sparseseg.engine.segment import finished, segment
from sparseseg.engine.sparing import spared_volumes
from sparseseg.engine.training import train
from sparseseg.recipes import Scene
from sparseseg.starting import create
from sparseseg.work import result_of
from tests.miniature import (
    SHAPE,
    blob_case,
    settings,
    shrink,
)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr(held_out, "_FIRST_SECONDS", 0.0)


def sliced(seed: int, classes: int = 1):
    sample = blobs(SHAPE, seed=seed, classes=classes)
    array = annotate_slices(sample.truth, (3, 3, 3))
    return sample.volume, SparseLabels(array, table=sample.table)


def history_of(cases, **changed):
    chosen = settings(steps=3, **changed)
    model = create(cases, chosen)
    for _ in train(model, cases, chosen):
        pass
    return model.history


def test_one_volume_is_scored_without_guidance_on_its_held_out_slices():
    history = history_of([sliced(0)])
    found = history["other_volume"]
    assert found["left_out"] == "slices"
    assert found["slices"] == history["held_out"]["slices"]
    assert found["mean_iou"] == history["held_out"]["forest"]["mean_iou"]


@pytest.mark.slow
def test_of_several_volumes_each_is_left_out_in_turn():
    history = history_of([sliced(0), sliced(1)])
    assert history["other_volume"]["left_out"] == "volume"
    assert 0 <= history["other_volume"]["mean_iou"] <= 1
    assert "mean_iou" in history["held_out"]["network"]


def test_the_stand_in_never_sees_the_volume_that_is_left_out(monkeypatch):
    cases = [sliced(0), sliced(1)]
    chosen = settings()
    model = create(cases, chosen)
    scenes = [Scene.of(model.plan, *case) for case in cases]
    fed = []
    recipe = type(model.recipe)
    prepare = recipe.prepare

    def watched(self, network, seen, rng, **more):
        fed.append(list(seen))
        return prepare(self, network, seen, rng, **more)

    monkeypatch.setattr(recipe, "prepare", watched)
    slices = result_of(other_volume.blind_elsewhere(model, scenes, 0))
    assert fed == [[scenes[1]], [scenes[0]]]
    assert len(slices) == 12  # six of each


def test_nothing_is_left_out_unless_wanted():
    history = history_of([sliced(0), sliced(1)], held_out=False)
    assert "other_volume" not in history


def test_a_volume_that_alone_shows_a_class_is_not_spared():
    cases = [sliced(0), sliced(1, classes=2)]
    model = create(cases, settings())
    scenes = [Scene.of(model.plan, *case) for case in cases]
    assert spared_volumes(scenes) == [0]
    assert spared_volumes(scenes[:1]) == []


def test_a_recipe_that_learns_by_steps_alone_has_the_score_of_its_slices():
    case = blob_case()
    history = history_of([case], recipe="lungnet")
    found = history.get("other_volume")
    assert found is None or found["left_out"] == "slices"
    assert np.isfinite(history["step"])


def test_a_volume_without_slices_has_an_estimate_of_its_own():
    cases = [sliced(0), sliced(1)]
    model = create(cases, settings(steps=3))
    for _ in train(model, cases, settings(steps=3)):
        pass
    found = finished(segment(model, sliced(2)[0])).estimate
    assert found.is_elsewhere
    assert "without slices of this volume" in str(found)
    assert found.to_json().keys() == {"mean_dice", "low", "high", "classes"}
    assert elsewhere_of(model.history).left_out == "volume"


@pytest.fixture(scope="module")
def model_of_one():
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(held_out, "_FIRST_SECONDS", 0.0)
        case = sliced(0)
        model = create([case], settings(steps=3))
        for _ in train(model, [case], settings(steps=3)):
            pass
    return model


def far_voxels(volume):
    return replace(volume, spacing=(50.0, 1.0, 1.0))


def inverted(volume):
    grey = np.asarray(volume.array, np.float32)
    return replace(volume, array=grey.max() - grey)


def noisy(volume):
    grey = np.asarray(volume.array, np.float32)
    noise = np.random.default_rng(0).normal(0, grey.std(), grey.shape)
    return replace(volume, array=(grey + noise).astype(np.float32))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (far_voxels, "the volume is unlike those"),
        (inverted, "the volume is unlike those"),
        (noisy, "the fine detail of the volume is unlike that"),
    ],
)
def test_nothing_is_said_of_a_volume_that_is_unlike(model_of_one, changed, why):
    volume = changed(sliced(2)[0])
    found = finished(segment(model_of_one, volume))
    assert found.estimate.to_json() is None
    assert why in found.estimate.reason
    assert found.expected == {}


def test_a_batch_has_no_number_for_a_volume_that_is_unlike(model_of_one):
    volume = inverted(sliced(2)[0])
    found = finished(segment(model_of_one, volume))
    facts = facts_of(
        model_of_one, volume, found, Item("a", Path("a.tif"), Path("b.tif"))
    )
    assert facts["estimated_dice"] is facts["estimate"] is None
    assert "unlike" in facts["reason"]
    assert all(one["estimated_dice"] is None for one in facts["classes"].values())
