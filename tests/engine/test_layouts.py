"""However people annotate: what is painted stays, and what does best is shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.classes import ClassTable
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.data.volume import Volume
from sparseseg.engine import held_out, propagation
from sparseseg.engine.mixing import mix_of, of_classes
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.propagation import (
    cell_of,
    interpolated,
    mixed,
    remembered,
    walk,
)
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.nn.device import PLAIN
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import recipe, slices
from sparseseg.starting import create
from sparseseg.work import result_of
from tests.miniature import fresh_model, settings

SHAPE = (16, 24, 24)
TABLE = ClassTable.numbered([1])


def tube(*, noise=20.0):
    """Return a bright tube that wanders from slice to slice, and where it is."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices(SHAPE)
    truth = (y - 8 - z / 2) ** 2 + (x - 10) ** 2 < 25
    image = np.where(truth, 140.0, 100.0) + rng.normal(0, noise, SHAPE)
    return Volume.from_array(image.astype(np.float32)), truth.astype(np.uint8)


def strokes(truth):
    """Return short strokes of both classes on two slices of two orientations."""
    painted = np.zeros(SHAPE, np.uint8)
    for where in ((8, slice(2, 22), 10), (slice(2, 14), 12, slice(8, 12))):
        painted[where] = np.where(truth[where] > 0, 1, 255)
    return painted


def labels_of(truth, layout):
    painted = strokes(truth) if layout == "strokes" else annotate_slices(truth, layout)
    return SparseLabels(painted, table=TABLE)


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(recipe, "_FIT_STEPS", 80)
    monkeypatch.setattr(slices, "PIXELS", 2000)


def agreement(volume, labels, model, method):
    out = Output(np.zeros(SHAPE, np.uint8))
    for _ in predict(model, volume, out, labels=labels, method=method):
        pass
    painted = labels.array
    wanted = np.where(painted == 255, 0, painted)[painted > 0]
    return float(np.mean(out.labels[painted > 0] == wanted))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [(1, 0, 0), (3, 0, 0), (1, 1, 1), "strokes"])
def test_what_is_painted_is_predicted_there(few_steps, layout):
    volume, truth = tube()
    labels = labels_of(truth, layout)
    chosen = settings(steps=40)
    model = create([(volume, labels)], chosen)
    for _ in train(model, [(volume, labels)], chosen):
        pass
    for method in ("network", "mixed", "walker", "interpolation"):
        assert agreement(volume, labels, model, method) >= 0.95, method


@pytest.mark.slow
def test_a_single_slice_teaches_no_trust_in_guidance(few_steps):
    volume, truth = tube()
    labels = labels_of(truth, (1, 0, 0))
    chosen = settings(steps=20)
    model = create([(volume, labels)], chosen)
    for _ in train(model, [(volume, labels)], chosen):
        pass
    found = []
    for method in ("network", "unguided"):
        out = Output(np.zeros(SHAPE, np.uint8))
        for _ in predict(model, volume, out, labels=labels, method=method):
            pass
        found.append(out.labels)
    assert np.array_equal(*found)


def scene_of(volume, labels):
    return Scene.of(fresh_model((volume, labels)).plan, volume, labels)


def test_a_walker_follows_the_image_where_interpolation_cannot():
    volume, truth = tube(noise=2.0)
    scene = scene_of(volume, labels_of(truth, (2, 0, 0)))
    whole = Box.whole(SHAPE)
    walked = result_of(walk(scene))(whole).argmax(0).numpy()
    between = interpolated(scene, whole).argmax(0).numpy()
    wrong = [np.count_nonzero(found != truth) for found in (walked, between)]
    assert wrong[0] < wrong[1] / 2


def test_a_walk_is_the_same_whatever_the_scale_of_the_camera():
    volume, truth = tube(noise=1.0)
    labels = labels_of(truth, (2, 0, 0))
    other = replace(volume, array=np.asarray(volume.array) * 3 + 1700)
    plan = fresh_model((volume, labels)).plan
    walks = [result_of(walk(Scene.of(plan, v, labels))) for v in (volume, other)]
    np.testing.assert_allclose(walks[0].found, walks[1].found, atol=1e-3)


def test_what_a_walker_says_are_probabilities_whatever_the_box():
    volume, truth = tube()
    scene = scene_of(volume, labels_of(truth, (1, 1, 0)))
    walked = result_of(walk(scene))
    whole = walked(Box.whole(SHAPE))
    part = walked(Box((3, 5, 0), (9, 20, 11)))
    np.testing.assert_allclose(whole.sum(0), 1, atol=1e-4)
    np.testing.assert_allclose(whole[:, 3:9, 5:20, :11], part, atol=1e-5)


def test_a_walk_on_a_coarse_grid_keeps_the_outlines_of_slices(monkeypatch):
    monkeypatch.setattr("sparseseg.engine.propagation._NODES", 600)
    volume, truth = tube()
    labels = labels_of(truth, (2, 0, 0))
    scene = scene_of(volume, labels)
    found = result_of(walk(scene))(Box.whole(SHAPE)).argmax(0).numpy()
    painted = labels.array > 0
    assert np.array_equal(found[painted], truth[painted])


def test_of_a_file_a_walk_reads_the_middle_planes_of_its_nodes_once(monkeypatch):
    monkeypatch.setattr("sparseseg.engine.propagation._NODES", 10)
    volume, truth = tube()
    labels, read = labels_of(truth, (2, 0, 0)), []

    class Spied(OnDisk):
        def _read(self, key):
            read.append(key[1].indices(SHAPE[0])[:2])
            return super()._read(key)

    disk = Spied(np.asarray(volume.array), "czyx")
    scene = scene_of(replace(volume, array=disk), labels)
    cells = cell_of(SHAPE, scene.plan.anisotropy)[0]
    read.clear()
    for seen in (scene, scene.without(scene.slices[:1])):
        result_of(walk(seen))
    assert cells == 12
    assert [part for part in read if part[1] - part[0] > 1] == [(4, 8), (12, 16)]


def test_a_walk_is_made_anew_only_where_something_is_painted():
    volume, truth = tube()
    labels = labels_of(truth, (2, 0, 0))
    scene = scene_of(volume, labels)
    first = result_of(remembered(scene))
    assert result_of(remembered(scene.seeing(labels))).found is first.found
    labels.array[1] = 255
    assert result_of(remembered(scene.seeing(labels))).found is not first.found


def test_a_walk_is_made_anew_for_a_model_of_voxels_of_another_size(monkeypatch):
    monkeypatch.setattr(propagation, "_NODES", 500)
    volume, truth = tube()
    labels = labels_of(truth, (2, 0, 0))
    scene = scene_of(volume, labels)
    result_of(remembered(scene))
    plan = replace(scene.plan, spacing=(9.0, 1.0, 1.0))
    other = result_of(remembered(Scene.of(plan, volume, labels))).found
    fresh = result_of(walk(Scene.of(plan, replace(volume), labels))).found
    assert torch.equal(other, fresh)


@pytest.mark.slow
def test_of_the_answers_the_best_on_what_was_left_out_is_shown(monkeypatch):
    # Grey values that mean nothing: the place alone tells where the class is.
    monkeypatch.setattr(recipe, "_FIT_STEPS", 10)
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, 6:18, 6:18] = 1
    noise = np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)
    case = Volume.from_array(noise), labels_of(truth, (2, 0, 0))
    chosen = settings(steps=1)
    (step,) = train(create([case], chosen), [case], chosen)
    assert step.score.best in ("walker", "interpolation")
    best = step.score.measures[step.score.best]["mean_iou"]
    assert best > step.score.measures["unguided"]["mean_iou"] + 0.2


@pytest.mark.slow
def test_what_grey_values_teach_is_mixed_with_a_walk(few_steps):
    volume, truth = tube()
    labels = labels_of(truth, (1, 0, 0))
    chosen = settings(steps=2)
    model = create([(volume, labels)], chosen)
    for _ in train(model, [(volume, labels)], chosen):
        pass
    box = Box.whole(SHAPE)
    scene = Scene.of(model.plan, volume, labels)
    walked = result_of(walk(scene))
    forest = mix_of("forest", model, scene, None)
    assert forest is not None
    even = torch.full((2, *SHAPE), 0.5)
    for method, share in (("mixed", 4 / 5), ("near", 1 / 3)):
        mix = mix_of(method, model, scene, walked)
        assert mix is not None
        np.testing.assert_allclose(
            mix(even, box), mixed(forest(even, box), walked(box), share), atol=1e-6
        )
    # What is shown is led by the slice, though the network does not see it.
    found = finished(
        segment(model, volume, Job(method="near", extras=_PROBABLE), labels=labels)
    )
    # As a small volume is predicted, whatever training has probed.
    model.precision = PLAIN
    bare = network_probabilities(model, scene.without(scene.slices), box)
    led = mix_of("near", model, scene.without(scene.slices), walked)
    np.testing.assert_allclose(found.probabilities, led(bare, box), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "by_class",
    [
        {1: "trees", 2: "walker"},
        {1: "forest", 2: "near"},
        {1: "network", 2: "unguided"},
    ],
)
def test_each_class_is_taken_from_what_is_best_at_it(
    monkeypatch, few_steps, tmp_path, by_class
):
    monkeypatch.setattr(held_out, "of_each_class", lambda *_, **__: by_class)
    sample = blobs(SHAPE)
    array = annotate_slices(sample.truth, (1, 1, 1))
    case = sample.volume, SparseLabels(array, table=sample.table)
    chosen = settings(steps=2)
    model = create([case], chosen)
    score = next(train(model, [case], chosen)).score
    assert (score.best, score.by_class) == ("classwise", by_class)
    for number, method in by_class.items():
        iou = score.measures["classwise"]["iou"][number]
        assert iou == pytest.approx(score.measures[method]["iou"][number], abs=0.1)
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")

    def segmented(method=None):
        job = Job(method=method, extras=_PROBABLE)
        return finished(segment(again, case[0], job, labels=case[1]))

    shown = segmented()
    assert shown.method == "classwise"
    single = {
        method: torch.from_numpy(segmented(method).probabilities)
        for method in by_class.values()
    }
    np.testing.assert_allclose(
        shown.probabilities, of_classes(again, single), atol=1e-5
    )


def test_a_model_that_takes_all_classes_from_one_answer_says_so():
    volume, truth = tube()
    labels = labels_of(truth, (1, 0, 0))
    model, job = fresh_model((volume, labels)), Job(method="classwise")
    with pytest.raises(UserError, match="ask for no method"):
        finished(segment(model, volume, job, labels=labels))


@pytest.mark.parametrize(
    "score",
    [
        "best",
        {"best": "oracle"},
        {"best": "classwise"},
        {"best": "classwise", "by_class": {}},
        {"best": "classwise", "by_class": {"1": "classwise"}},
        {"best": "classwise", "by_class": {"1": "oracle"}},
        {"best": "classwise", "by_class": {"one": "trees"}},
    ],
)
def test_a_model_whose_score_names_no_method_is_damaged(tmp_path, score):
    model = fresh_model((tube()[0], labels_of(tube()[1], (1, 0, 0))))
    model.history["held_out"] = score
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="damaged sparseseg model"):
        Model.load(tmp_path / "m.safetensors")


_PROBABLE = frozenset({"probabilities"})
