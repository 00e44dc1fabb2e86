import json
from copy import deepcopy
from functools import cache

import numpy as np
import pytest

from sparseseg import progress, starting
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import AnnotatedSlice, annotate_slices
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.propagation import remembered
from sparseseg.engine.score import planes
from sparseseg.engine.score.blind import blind_slices
from sparseseg.engine.score.evidence import evidence_of
from sparseseg.engine.score.folds import folds
from sparseseg.engine.score.gathering import gather
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.errors import UserError
from sparseseg.evaluation.estimate import estimate
from sparseseg.recipes import Scene
from sparseseg.work import result_of
from tests.miniature import (
    SHAPE,
    blob_case,
    fresh_model,
    shrink,
)

METHODS = [*progress.METHODS]
BY_CLASS = {"best": "classwise", "by_class": {"1": "trees", "2": "walked"}}


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


def sliced(counts):
    sample = blobs(SHAPE)
    array = annotate_slices(sample.truth, counts)
    return sample.volume, SparseLabels(array, table=sample.table)


def fitted(counts, **settings):
    model = deepcopy(trained(counts, **settings))
    return model, sliced(counts)


@cache
def trained(counts, **settings):
    return starting.fit([sliced(counts)], steps=2, device="cpu", **settings)


def slices(*places):
    return [AnnotatedSlice(axis, index, 10, True) for axis, index in places]


def names(dealt):
    return [sorted(map(str, fold)) for fold in dealt]


def test_a_fold_has_at_most_one_slice_of_an_axis():
    every = slices(*((axis, index) for axis in range(3) for index in (1, 5, 9)))
    assert names(folds(every, single=6)) == [
        [f"{a} {i}" for a in "xyz"] for i in (1, 5, 9)
    ]


def test_few_slices_are_left_out_one_at_a_time():
    found = names(folds(slices((0, 1), (1, 2), (2, 3))))
    assert found == [["z 1"], ["y 2"], ["x 3"]]


def test_there_are_five_folds_at_most_and_neighbours_are_in_different_ones():
    found = names(folds(slices(*((0, index) for index in range(7))), single=6))
    assert found == [["z 0", "z 5"], ["z 1", "z 6"], ["z 2"], ["z 3"], ["z 4"]]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_slice_is_answered_by_what_has_not_seen_it(method, monkeypatch):
    model, labelled = fitted((2, 2, 2))
    model.history["held_out"] = BY_CLASS
    scene = Scene.of(model.plan, *labelled)
    asked = []
    recipe, unseen = type(model.recipe), type(model.recipe).unseen

    def spy(self, network, scenes, place, *, guiding):
        asked.append((str(scene.slices[place]), {str(where) for where in guiding}))
        return unseen(self, network, scenes, place, guiding=guiding)

    monkeypatch.setattr(recipe, "unseen", spy)
    found = result_of(blind_slices(model, [scene], method))
    assert len(found) == 6
    assert all(own not in guiding for own, guiding in asked)
    for one in found:
        assert one.probabilities.sum(0) == pytest.approx(1, abs=1e-3)
        assert one.probabilities.shape[1] == len(one.target) == len(one.distances)


def test_a_trained_model_knows_how_good_it_is_between_its_slices(tmp_path):
    model, (volume, labels) = fitted((2, 2, 2))
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")
    found = finished(segment(again, volume, labels=labels)).estimate
    told = json.loads(json.dumps(found.to_json()))
    assert set(told) == {"mean_dice", "low", "high", "classes"}
    assert 0 <= told["low"] <= told["mean_dice"] <= told["high"] <= 1
    assert set(told["classes"]) == set(map(str, model.table.numbers))


@pytest.mark.parametrize(
    ("job", "has_labels", "words"),
    [
        (Job(), False, "no slice of this volume"),
        (Job(method="interpolation"), True, "interpolation was not measured"),
    ],
)
def test_where_nothing_is_known_it_is_said(job, has_labels, words):
    model, (volume, labels) = fitted((2, 2, 2))
    model.history["between_slices"]["method"] = "network"
    del model.history["elsewhere"]
    given = labels if has_labels else None
    found = finished(segment(model, volume, job, labels=given)).estimate
    assert found.to_json() is None
    assert words in found.reason


def test_two_slices_are_too_few():
    model, (volume, labels) = fitted((1, 1, 0))
    found = finished(segment(model, volume, labels=labels)).estimate
    assert found.to_json() is None
    assert "3 annotated slices" in found.reason


def test_a_recipe_without_blind_parts_says_so():
    labelled = sliced((2, 2, 2))
    model = fresh_model(labelled, "unet3d")
    scene = Scene.of(model.plan, *labelled)
    assert result_of(blind_slices(model, [scene], "network")) == []
    found = estimate(result_of(gather(model, [scene], [labelled[1]], "network")))
    assert found.to_json() is None
    assert found.reason


def test_no_estimate_is_made_where_no_score_is_wanted():
    model, _ = fitted((2, 2, 2), held_out=False)
    assert evidence_of(model.history) is None


def test_the_estimate_is_of_the_voxels_that_were_not_annotated():
    model, (volume, labels) = fitted((2, 2, 2))
    first = finished(segment(model, volume, labels=labels)).estimate
    labels.array[labels.array == 0] = 255
    labels.array[0, 0, :5] = 0
    other = finished(segment(model, volume, labels=labels)).estimate
    assert first.mean is not None
    assert first != other


def test_damaged_evidence_is_a_damaged_model(tmp_path):
    model, _ = fitted((2, 2, 2))
    model.history["between_slices"]["calibration"] = ["a"]
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="damaged"):
        Model.load(tmp_path / "m.safetensors")


def test_distances_are_those_to_slices_of_other_folds():
    model, labelled = fitted((2, 2, 2))
    scene = Scene.of(model.plan, *labelled)
    for one in result_of(blind_slices(model, [scene], "interpolation")):
        assert np.isfinite(one.distances).all()
        assert (one.distances == 0).any()  # where slices of other folds cross
        assert one.distances.max() > 1


def test_several_volumes_are_judged_together():
    cases = [sliced((2, 2, 2)), blob_case((10, 16, 18), seed=3)]
    model = starting.fit(cases, steps=2, device="cpu")
    found = evidence_of(model.history)
    count = sum(len(labels.slices()) for _, labels in cases)
    assert found.slices == count
    assert set(found.now) <= set(model.table.numbers)


def test_strokes_on_many_planes_are_judged_on_some():
    volume, labels = sliced((1, 0, 0))
    array = np.zeros_like(labels.array)
    for z in range(12):
        array[z, 2:5, 2:20] = 1
        array[z, 10:13, 2:20] = 255
    model = starting.fit([(volume, SparseLabels(array))], steps=2, device="cpu")
    assert 3 <= evidence_of(model.history).slices <= 30


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_an_expectation_of_its_own(method):
    model, labelled = fitted((2, 2, 2))
    model.history["held_out"] = BY_CLASS
    scene = Scene.of(model.plan, *labelled)
    found = result_of(gather(model, [scene], [labelled[1]], method))
    assert found.method == method
    assert all(0 <= dice <= 1 for dice in found.now.values())


def test_a_short_training_judges_no_more_slices_than_it_needs():
    model, labelled = fitted((3, 3, 3))
    scene = Scene.of(model.plan, *labelled)
    every = result_of(blind_slices(model, [scene], "interpolation"))
    few = result_of(blind_slices(model, [scene], "interpolation", is_late=lambda: True))
    assert len(every) == 9
    assert 3 <= len(few) < 9
    shown = [set(one.target.tolist()) for one in few]
    outputs = set().union(*(set(one.target.tolist()) for one in every))
    assert all(sum(output in there for there in shown) >= 2 for output in outputs)


def test_a_forest_answers_for_slices_that_it_grew_without(monkeypatch):
    model, labelled = fitted((2, 2, 2))
    scene = Scene.of(model.plan, *labelled)
    asked = []
    recipe, unseen = type(model.recipe), type(model.recipe).unseen_trees

    def spy(self, network, scenes, places):
        asked.append(list(places))
        return unseen(self, network, scenes, places)

    monkeypatch.setattr(recipe, "unseen_trees", spy)
    result_of(blind_slices(model, [scene], "forest"))
    assert sorted(asked) == [[place] for place in range(6)]


def test_the_walk_without_a_slice_is_made_once():
    model, labelled = fitted((2, 2, 2))
    scene = Scene.of(model.plan, *labelled)
    blind = [scene.without({where}) for where in scene.slices]
    first = [result_of(remembered(one)).found for one in blind]
    again = [result_of(remembered(one)).found for one in blind]
    assert all(one is other for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("has_arrays", [False, True])
def test_the_estimate_is_of_the_labels_after_the_rules(has_arrays):
    model, (volume, labels) = fitted((2, 2, 2))
    job = Job(rules=("drop below 999999 voxels",))
    into = Output(np.zeros(volume.shape, np.uint8)) if has_arrays else None
    found = finished(segment(model, volume, job, labels=labels, into=into))
    assert not found.labels.any()
    assert found.estimate.mean.dice == 0
    raw = finished(segment(model, volume, Job(rules=()), labels=labels))
    assert raw.estimate.mean.dice > 0


def test_inner_planes_of_all_axes_are_predicted_first():
    model, labelled = fitted((2, 2, 2))
    scene = Scene.of(model.plan, *labelled)
    boxes = list(planes._spread(scene))
    assert [box.shape.index(1) for box in boxes[:3]] == [0, 1, 2]
    known = {(where.axis, where.index) for where in scene.slices}
    assert known.isdisjoint((box.shape.index(1), max(box.start)) for box in boxes)
