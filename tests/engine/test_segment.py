"""The job itself: what is wanted of it, and what it leaves as it was."""

from dataclasses import replace

import numpy as np
import pytest

from sparseseg.engine.output import Output
from sparseseg.engine.prediction import ThisProcess
from sparseseg.engine.segment import (
    BASE_BYTES,
    Job,
    best_method,
    finished,
    segment,
    tile_memory,
)
from sparseseg.errors import UserError
from sparseseg.nn.device import Precision
from tests.miniature import SHAPE, blob_case, fresh_model, shrink


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def case():
    return blob_case()


@pytest.fixture
def model(case):
    return fresh_model(case)


def test_only_what_is_wanted_comes_back(model, case):
    bare = finished(segment(model, case[0]))
    rich = finished(
        segment(model, case[0], Job(extras=frozenset({"uncertainty", "probabilities"})))
    )

    assert (bare.uncertainty, bare.probabilities) == (None, None)
    assert rich.uncertainty.shape == SHAPE
    assert rich.probabilities.shape == (len(rich.classes), *SHAPE)
    np.testing.assert_array_equal(bare.labels, rich.labels)


def test_an_estimate_comes_for_each_class_and_not_for_background(model, case):
    found = finished(segment(model, case[0]))

    assert set(found.expected) == set(model.table.numbers)
    known = [dice for dice in found.expected.values() if dice is not None]
    assert known
    assert all(0 <= dice <= 1 for dice in known)


def test_rules_that_do_not_fit_are_refused_before_anything_is_predicted(model, case):
    volume = case[0].__class__.from_array(case[0].array[0])  # without a voxel size

    with pytest.raises(UserError, match="mm"):
        next(segment(model, volume, Job(rules=("drop below 5 mm3",))))


def test_the_rules_of_the_job_take_the_place_of_those_of_the_model(model, case):
    model.rules = ("drop below 999999 voxels",)

    cleaned = finished(segment(model, case[0]))
    raw = finished(segment(model, case[0], Job(rules=())))

    assert not cleaned.labels.any()
    assert raw.labels.any()


def test_given_arrays_hold_the_clean_labels_and_a_last_tile_says_so(model, case):
    out = Output(np.zeros(SHAPE, np.uint8))
    job = Job(rules=("drop below 999999 voxels",))

    tiles = list(segment(model, case[0], job, into=out))

    assert not out.labels.any()
    assert tiles[-1].write.shape == SHAPE


def test_precision_and_memory_of_the_model_are_as_before(model, case):
    model.precision, model.memory = chosen = (
        Precision(bfloat16=True, channels_last=True),
        123,
    )

    finished(segment(model, case[0], Job(memory=2**31)))

    assert (model.precision, model.memory) == chosen


def test_a_job_that_is_dropped_leaves_the_model_as_it_was(model, case):
    model.memory = 123
    work = segment(model, case[0], Job(memory=2**31))
    next(work)

    work.close()

    assert model.memory == 123


def test_memory_is_that_of_the_process():
    assert tile_memory(BASE_BYTES) == 0
    assert tile_memory(BASE_BYTES + 10_000) == 7_000
    assert tile_memory(0) == 0


@pytest.mark.parametrize(
    ("history", "is_annotated", "method"),
    [
        ({}, True, "network"),
        ({"held_out": {"best": "walker"}}, True, "walker"),
        ({"held_out": {"best": "walker"}}, False, "network"),
        ({"held_out": {}}, True, "network"),
    ],
)
def test_the_method_is_the_one_that_did_best(model, history, is_annotated, method):
    model.history = history

    assert best_method(model, is_annotated=is_annotated) == method


def test_a_volume_that_nobody_annotated_has_the_answer_of_the_forest(model, case):
    volume, labels = case
    model.history["without_annotation"] = "forest"
    alone = finished(segment(model, volume))
    forest = finished(segment(model, volume, Job(method="forest")))

    assert alone.method == "forest"
    np.testing.assert_array_equal(alone.labels, forest.labels)
    assert finished(segment(model, volume, labels=labels)).method == "network"


def test_workers_give_the_answer_of_the_forest_too(model, case):
    volume = case[0]
    model.history["without_annotation"] = "forest"
    wanted = Job(extras=frozenset({"probabilities"}))
    here = finished(segment(model, volume, wanted))
    workers = ThisProcess(model, volume)
    there = finished(segment(model, volume, wanted, workers=workers))
    network = finished(segment(model, volume, replace(wanted, method="network")))

    np.testing.assert_array_equal(there.probabilities, here.probabilities)
    assert (network.probabilities != here.probabilities).any()


@pytest.mark.parametrize("recorded", [None, "network", "walker", 3])
def test_models_that_do_not_ask_for_a_forest_answer_by_the_network(model, recorded):
    model.history["without_annotation"] = recorded
    assert best_method(model, is_annotated=False) == "network"
