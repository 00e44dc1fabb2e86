"""Our reader and predictor against the answers of the libraries that wrote the models."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg.boxes import Box
from sparseseg.data.files import read
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.engine.predictor import network_probabilities
from sparseseg.models.readers import ForeignFacts, read_model
from sparseseg.recipes import Scene
from tests.models.paths import FIXTURES, MLPERF, V1, V2, image

MODELS = {"nnunet_v1": V1, "nnunet_v2": V2}


def answers(name: str):
    return np.load(FIXTURES / f"{name}.npz")


def mirrored(model: Model, yes: bool) -> Model:
    model.plan = replace(model.plan, options={"mirror": yes})
    return model


def assert_equal_logits(found, expected):
    """Allow 1e-5, and the rounding of sums in another order where logits are large.

    Processors differ in that: single precision has seven digits, and logits go to 30.
    """
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_each_fold_answers_as_in_the_library_that_trained_it(name):
    model, expected = read_model(MODELS[name]), answers(name)
    for fold, network in enumerate(model.network.folds):
        with torch.inference_mode():
            logits = network(torch.from_numpy(expected["patch_in"]))[0].numpy()
        assert_equal_logits(logits, expected[f"patch_logits_fold{fold}"])


def test_the_network_of_mlperf_answers_as_in_its_library():
    expected = answers("mlperf")
    model = read_model(MLPERF)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(expected["patch_in"]))[0].numpy()
    assert_equal_logits(logits, expected["patch_logits"])
    assert model.table.names == ("kidney", "tumour")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("number", [0, 1])
def test_no_voxel_of_a_label_map_differs(name, number):
    model = mirrored(read_model(MODELS[name]), False)
    found = model.predict(read(image(number, name)))
    assert (found.labels != answers(name)[f"test_0{number}.seg"]).sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), [("nnunet_v1", 1), ("nnunet_v2", 0)])
def test_no_voxel_differs_with_mirroring(name, number):
    model = mirrored(read_model(MODELS[name]), True)
    found = model.predict(read(image(number, name)))
    assert (found.labels != answers(name)[f"test_0{number}.seg.tta"]).sum() == 0


def test_one_fold_alone_answers_otherwise_than_both():
    one = mirrored(read_model(V2, ForeignFacts(folds=("fold_1",))), False)
    found = one.predict(read(image(0)))
    assert (found.labels != answers("nnunet_v2")["test_00.seg"]).sum() > 20
    assert one.history["trained"]["folds"] == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_slice_alone_is_what_it_is_in_the_whole(name):
    model = mirrored(read_model(MODELS[name]), False)
    volume = read(image(1, name))
    whole = model.predict(volume)
    for box in (Box((9, 0, 0), (10, 40, 44)), Box((0, 0, 17), (28, 40, 18))):
        part = network_probabilities(model, Scene.of(model.plan, volume), box)
        there = whole.probabilities[(slice(None), *box.slices)]
        # Half precision sums over windows: of a slice, the very same windows.
        assert np.abs(part.numpy() - there).max() < 2e-3


def test_a_prediction_tells_how_far_it_is():
    model = mirrored(read_model(V2), False)
    volume = read(image(0))
    out = Output(np.zeros(volume.shape, np.uint8))
    tiles = list(predict(model, volume, out))
    shares = [tile.done / tile.total for tile in tiles]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(tiles) > 10
    assert [tile.write.is_empty for tile in tiles[-2:]] == [True, False]


@pytest.mark.parametrize("path", [V1, V2, MLPERF])
def test_a_model_is_kept_in_our_own_file_and_stays_the_same(tmp_path, path):
    model = read_model(path)
    model.save(tmp_path / "kept.safetensors")
    again = Model.load(tmp_path / "kept.safetensors")
    assert again.plan.to_json() == model.plan.to_json()
    image = torch.randn(1, 1, 64, 32, 32)
    with torch.inference_mode():
        assert torch.equal(again.network(image)[0], model.network(image)[0])
