from types import SimpleNamespace

import numpy as np
import pytest

from sparseseg import recipes, starting
from sparseseg.classes import BACKGROUND
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine import held_out, propagation, told, training
from sparseseg.engine.held_out import HeldOut
from sparseseg.engine.mixing import SHARES
from sparseseg.progress import worth_most
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import slices
from sparseseg.work import result_of
from tests.miniature import (
    SHAPE,
    case,
    fresh_model,
    painted,
    settings,
    shrink,
)

METHODS = list(SHARES)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr(held_out, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(held_out, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(held_out, "_SHARE", float("inf"))


def sliced(counts):
    sample = blobs(SHAPE)
    array = annotate_slices(sample.truth, counts)
    return sample.volume, SparseLabels(array, table=sample.table)


def scene_of(labelled):
    return Scene.of(fresh_model(labelled).plan, *labelled)


def chosen(labelled, wanted=True):
    choice = HeldOut(wanted)
    choice.choose([scene_of(labelled)])
    return [[str(where) for where in slices] for slices in choice.slices]


def test_the_middle_slice_of_the_axis_with_most_is_held_out():
    assert chosen(sliced((1, 5, 2))) == [["y 10"]]


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 2, 2), (0, 0, 2)])
def test_no_slice_is_held_out_where_no_axis_has_three(counts):
    assert chosen(sliced(counts)) == [[]]


def test_no_slice_is_held_out_unless_wanted():
    assert chosen(sliced((3, 3, 3)), wanted=False) == [[]]


def test_a_held_out_slice_stays_so_when_others_are_painted():
    volume, labels = sliced((3, 0, 0))
    choice, scene = HeldOut(wanted=True), scene_of((volume, labels))
    choice.choose([scene])
    first = choice.slices
    labels.array[8:] = 255
    choice.choose([scene.seeing(labels)])
    assert choice.slices == first


def test_a_held_out_slice_stays_so_when_it_is_painted_on():
    annotation = np.zeros((9, 12, 12), np.uint8)
    annotation[1:6:2, 2:9, 2:9] = 255
    annotation[1:6:2, 4:7, 4:7] = 1
    volume, labels = painted(annotation)
    choice, scene = HeldOut(wanted=True), scene_of((volume, labels))
    choice.choose([scene])
    assert [str(w) for w in choice.slices[0]] == ["z 3"]
    annotation[7, 2:9, 2:9] = 255
    annotation[8, 2:9, 2:9] = 255
    annotation[3, 9, 2:9] = 255
    choice.choose([scene.seeing(labels)])
    assert [str(w) for w in choice.slices[0]] == ["z 3"]


def test_training_never_sees_the_held_out_slice(monkeypatch):
    recipe = recipes.get("three-view")
    fed = []
    draw = type(recipe).batches

    def batches(self, scenes, rng, stage):
        fed.append({str(w) for scene in scenes for w in scene.slices})
        return draw(self, scenes, rng, stage)

    monkeypatch.setattr(type(recipe), "batches", batches)
    labelled = sliced((3, 0, 1))
    for step in training.train(fresh_model(labelled), [labelled], settings(steps=5)):
        if step.step <= 2:
            assert step.score.slices == ("z 6",)
    # The longer part of the budget learns from all.
    assert fed == [{"z 2", "z 10", "x 12"}, {"z 2", "z 6", "z 10", "x 12"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("is_ahead", "scored"), [(True, [1, 2, 3]), (False, [1, 2, 3, 4, 5])]
)
def test_held_out_slices_join_once_the_network_is_ahead_or_late(
    monkeypatch, is_ahead, scored
):
    monkeypatch.setattr(HeldOut, "is_ahead", property(lambda _: is_ahead))
    labelled = sliced((3, 0, 0))
    steps = list(training.train(fresh_model(labelled), [labelled], settings(steps=5)))
    assert [step.step for step in steps if step.score] == scored
    # The last one was taken just before they joined.
    last = steps[scored[-1] - 1].score
    assert last.step == scored[-1] - 1
    for step in steps[: scored[-1]]:
        for method in METHODS:
            assert 0 <= step.score.measures[method]["mean_iou"] <= 1


def test_a_network_is_ahead_as_its_last_score_says(monkeypatch):
    values = iter([{"network": 0.3, "walker": 0.4}, {"mixed": 0.5, "walker": 0.4}])
    monkeypatch.setattr(held_out, "worths", lambda *_: next(values))
    labelled = sliced((3, 0, 0))
    model, choice = fresh_model(labelled), HeldOut(wanted=True)
    scene = Scene.of(model.plan, *labelled)
    choice.choose([scene])
    result_of(choice.score(model, [scene], 1, 1.0))
    assert not choice.is_ahead
    result_of(choice.score(model, [scene], 2, 2.0, at_once=True))
    assert choice.is_ahead


def test_once_a_slice_has_joined_all_slices_decide_what_is_shown(monkeypatch):
    asked = []
    worths = held_out.worths

    def spy(slices, ious, gains):
        asked.append([str(one.where) for one in slices])
        return {**worths(slices, ious, gains), "walked": 2.0}

    monkeypatch.setattr(held_out, "worths", spy)
    labelled = sliced((3, 0, 0))
    steps = list(training.train(fresh_model(labelled), [labelled], settings(steps=3)))
    assert [sorted(names) for names in (asked[0], *asked[-2:])] == [
        ["z 6"],
        ["z 10", "z 2", "z 6"],
        ["z 6"],  # which lies between others
    ]
    last = [step.score for step in steps if step.score][-1]
    # What is told as the score is what the network had before it saw the slice.
    assert (last.slices, worth_most(last.worths)) == (("z 6",), "walked")


def test_a_class_painted_on_the_only_slice_that_can_be_spared_ends_no_training(
    monkeypatch,
):
    monkeypatch.setattr(training, "_LOOK_SECONDS", 0.0)
    labelled = sliced((3, 0, 0))
    model = fresh_model(labelled)
    steps = training.train(model, [labelled], settings(steps=4))
    assert next(steps).score.slices == ("z 6",)  # told of two classes and background
    labelled[1].array[6, 3:9, 3:9] = 3
    later = [step.score for step in steps if step.score]
    assert model.plan.outputs == (255, 1, 2, 3)
    assert set(later[-1].measures["network"]["iou"]) == {0, 1, 2, 3}


def test_a_long_training_looks_at_the_other_slices_before_one_joins():
    labelled = sliced((3, 0, 0))
    model, choice = fresh_model(labelled), HeldOut(wanted=True)
    scene = Scene.of(model.plan, *labelled)
    choice.choose([scene])
    learned = [scene.without(choice.slices[0])]
    for _ in model.recipe.prepare(model.network, learned, np.random.default_rng(0)):
        pass
    early = result_of(choice.score(model, [scene], 1, 1.0))
    late = result_of(choice.score(model, [scene], 2, 100.0))
    assert early.measures.keys() == late.measures.keys() - {"classwise"}
    assert not early.by_class  # of one slice
    assert early.slices == late.slices == ("z 6",)
    assert early.worths != late.worths


def test_where_nothing_can_be_judged_it_is_said_once():
    labelled = sliced((1, 0, 0))
    steps = training.train(fresh_model(labelled), [labelled], settings(steps=3))
    first, *rest = [step.score for step in steps]
    assert (first.measures, first.slices, first.best) == ({}, (), "near")
    assert first.reason == (
        "There is no score yet: a slice is held out once 3 are annotated across one "
        "axis, and now there is 1."
    )
    assert rest == [None, None]


def test_with_fewer_slices_each_is_left_out_in_turn_and_judged_once():
    labelled = sliced((1, 1, 1))
    steps = training.train(fresh_model(labelled), [labelled], settings(steps=3))
    first, *rest = [step.score for step in steps]
    assert sorted(first.measures.keys() - {"classwise"}) == sorted(METHODS)
    assert (first.slices, first.reason) == (("z 6", "y 10", "x 12"), "")
    assert rest == [None, None]


def test_a_class_on_one_of_several_slices_is_known_to_be_alone_there(monkeypatch):
    asked = []

    def of_each_class(*_, lone, is_crossed):
        asked.append((lone, is_crossed))
        return {}

    monkeypatch.setattr(held_out, "of_each_class", of_each_class)
    labelled = sliced((1, 1, 1))  # class 1 is on y 10 alone, class 2 on all three
    for _ in training.train(fresh_model(labelled), [labelled], settings(steps=1)):
        pass
    assert asked == [({1}, True)]


def test_strokes_are_judged_anew_only_after_some_time_of_training(monkeypatch):
    monkeypatch.setattr(held_out, "_SHARE", 1e-9)
    labelled = sliced((1, 1, 1))
    model, choice = fresh_model(labelled), HeldOut(wanted=True)
    scene = Scene.of(model.plan, *labelled)
    found = []
    for step, seconds in ((1, 0.0), (2, 60.0), (3, float("inf"))):
        choice.choose([scene])
        found.append(result_of(choice.score(model, [scene], step, seconds)))
    assert [score is not None for score in found] == [True, False, True]


def test_a_network_without_guidance_is_shown_where_no_slice_can_be_spared():
    labelled = sliced((1, 1, 1))
    model = fresh_model(labelled, "unet3d")
    choice, scene = HeldOut(wanted=True), Scene.of(model.plan, *labelled)
    choice.choose([scene])
    score = result_of(choice.score(model, [scene], 1, 1.0))
    assert (score.measures, score.best) == ({}, "network")
    assert score.reason


def test_what_judges_the_network_has_not_seen_the_slice(monkeypatch):
    asked = []
    recipe = type(recipes.get("three-view"))
    unseen = recipe.unseen

    def spy(self, network, scenes, place, *, guiding):
        asked.append((place, bool(guiding)))
        return unseen(self, network, scenes, place, guiding=guiding)

    monkeypatch.setattr(recipe, "unseen", spy)
    labelled = sliced((1, 1, 0))
    model = fresh_model(labelled)
    choice, scene = HeldOut(wanted=True), Scene.of(model.plan, *labelled)
    choice.choose([scene])
    folds = []
    voxelwise = model.network.voxelwise
    monkeypatch.setattr(
        model.network, "voxelwise", lambda x, f: folds.append(f) or voxelwise(x, f)
    )
    result_of(choice.score(model, [scene], 1, 1.0))
    assert asked == [(0, True), (0, False), (1, True), (1, False)]
    assert folds == [0, 0, 1, 1]


def test_trees_that_judge_a_slice_grew_from_the_others_alone(monkeypatch):
    grown = []
    pixels = slices.balanced_pixels

    def spy(drawn, count, rng):
        grown.append([str(one.where) for one in drawn])
        return pixels(drawn, count, rng)

    monkeypatch.setattr(slices, "balanced_pixels", spy)
    labelled = sliced((1, 1, 0))
    model = fresh_model(labelled)
    choice, scene = HeldOut(wanted=True), Scene.of(model.plan, *labelled)
    choice.choose([scene])
    result_of(choice.score(model, [scene], 1, 1.0))
    assert grown == [["y 10"], ["z 6"]]


def test_each_of_nine_slices_is_judged_alone(monkeypatch):
    # Two left out with a third would leave the walker nothing near the third one.
    grown = []
    pixels = slices.balanced_pixels

    def spy(drawn, count, rng):
        grown.append(len(drawn))
        return pixels(drawn, count, rng)

    monkeypatch.setattr(slices, "balanced_pixels", spy)
    labelled = sliced((3, 3, 3))
    model = fresh_model(labelled)
    scene = Scene.of(model.plan, *labelled)
    found = result_of(told.told_in_turn(model, [scene], now=lambda: 0.0))
    assert grown == [8] * 9
    assert len({one.where for one in found}) == 9


def test_what_the_network_itself_was_asked_of_is_judged_first():
    labelled = sliced((3, 3, 3))
    model = fresh_model(labelled)
    scene = Scene.of(model.plan, *labelled)
    late = {"now": 0.0}

    def hurried():
        late["now"] += 1e6
        return late["now"]

    for where in (scene.slices[1], scene.slices[5]):
        held = [SimpleNamespace(volume=scene.volume, where=where)]
        found = result_of(told.told_in_turn(model, [scene], held=held, now=hurried))
        assert len(found) < 9
        assert found[0].where == where


def test_outermost_slices_are_judged_last_and_known_as_such():
    labelled = sliced((5, 0, 0))
    model = fresh_model(labelled)
    scene = Scene.of(model.plan, *labelled)
    found = result_of(told.told_in_turn(model, [scene], now=lambda: 0.0))
    ends = {scene.slices[0], scene.slices[-1]}
    assert {one.where for one in found[:3]}.isdisjoint(ends)
    assert {one.where for one in found if one.is_outermost} == ends


def test_what_trees_add_for_rare_classes_does_not_make_them_seem_to_know_more():
    even = np.full((2, 3), 0.5, np.float32)
    found = told.uncorrected(even, (27, 1), 1 / 3)
    np.testing.assert_allclose(found[:, 0], [0.75, 0.25], atol=1e-6)
    assert told.uncorrected(even, (27, 1), 0.0) is even


def test_pixels_that_another_slice_crosses_are_not_scored(monkeypatch):
    scored = []

    def evaluated(prediction, truth):
        scored.append(truth.size)
        return {"mean_iou": 0.5, "iou": {}}

    monkeypatch.setattr(told, "evaluate", evaluated)
    labelled = sliced((3, 1, 2))
    choice = HeldOut(wanted=True)
    model = fresh_model(labelled)
    scene = Scene.of(model.plan, *labelled)
    choice.choose([scene])
    assert result_of(choice.score(model, [scene], 1, 1.0)).slices == ("z 6",)
    _, rows, columns = SHAPE
    assert set(scored) == {(rows - 1) * (columns - 2)}


def test_of_slices_that_are_left_out_together_each_is_asked_of_its_own_pixels():
    # Nothing answers on one slice for a stroke on another one that crosses it.
    array = np.zeros(SHAPE, np.uint8)
    array[6, 2:6, 2:6] = 1
    array[3:9, 12, 4:8] = BACKGROUND
    labelled = painted(array)
    scene = scene_of(labelled)
    first, second = sorted(scene.slices, key=lambda where: where.axis)
    both = scene.without({first, second})
    assert [first.axis, second.axis] == [0, 1]
    assert (told.own_pixels(scene, both, first) >= 0).sum() == 16
    assert (told.own_pixels(scene, both, second) >= 0).sum() == 24


def test_the_walk_without_a_slice_is_made_anew_where_the_others_changed(monkeypatch):
    walked, walk = [], propagation.walk

    def spy(scene):
        walked.append([str(where) for where in scene.slices])
        return (yield from walk(scene))

    monkeypatch.setattr(propagation, "walk", spy)
    labelled = sliced((3, 0, 0))
    scene, model = scene_of(labelled), fresh_model(labelled)
    choice = HeldOut(wanted=True)
    choice.choose([scene])
    for step in (1, 2):
        result_of(choice.score(model, [scene], step, float(step)))
    assert walked == [["z 2", "z 10"]]
    labels = labelled[1]
    labels.array[2, :3, :3] = 1
    painted = scene.seeing(labels)
    choice.choose([painted])
    result_of(choice.score(model, [painted], 3, 3.0))
    assert walked == [["z 2", "z 10"]] * 2


def test_a_score_waits_until_it_is_due(monkeypatch):
    monkeypatch.setattr(held_out, "_FIRST_SECONDS", 5.0)
    scene = scene_of(sliced((3, 0, 0)))
    choice = HeldOut(wanted=True)
    choice.choose([scene])
    assert result_of(choice.score(SimpleNamespace(), [scene], 1, 4.9)) is None


def test_a_scored_model_can_be_saved(tmp_path):
    labelled = sliced((3, 0, 0))
    model = starting.fit([labelled], steps=2, device="cpu")
    model.save(tmp_path / "m.safetensors")
    again = type(model).load(tmp_path / "m.safetensors")
    assert again.history["held_out"]["slices"] == ["z 6"]


def test_the_sample_with_one_slice_an_axis_holds_nothing_out():
    assert chosen(case(blobs(SHAPE))) == [[]]
