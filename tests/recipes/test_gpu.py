"""What is made on an accelerator is what the CPU makes, within rounding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparseseg import recipes
from sparseseg.boxes import Box
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.recipes import Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.miniature import blob_case, predict_all, shrink, thin_dense_networks
from tests.recipes.test_contract import SMALL

pytestmark = [pytest.mark.gpu, pytest.mark.parametrize("name", recipes.names())]


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)
    thin_dense_networks(monkeypatch)


def miniature(name, case):
    plan = create([case], TrainSettings(recipe=name)).plan
    fresh = create([case], TrainSettings(recipe=name))
    return Model(replace(plan, network=SMALL[name]), fresh.table)


def test_what_an_accelerator_trained_the_cpu_predicts_alike(name):
    case = blob_case()
    model = miniature(name, case)
    settings = TrainSettings(recipe=name, steps=6, device="cuda")
    steps = list(train(model, [case], settings))
    assert model.device.type == "cuda"
    assert all(np.isfinite(step.loss) for step in steps)
    there = predict_all(model, *case)
    model.network.cpu()
    here = predict_all(model, *case)
    # TF32 and bfloat16 keep eight to ten bits.
    np.testing.assert_allclose(there.probabilities, here.probabilities, atol=0.1)
    assert np.mean(there.labels != here.labels) < 0.02


def test_what_a_network_is_shown_is_the_same_everywhere(name):
    volume, labels = blob_case()
    plan = create([(volume, labels)], TrainSettings(recipe=name)).plan
    box = Box.whole(volume.shape)
    here = Scene.of(plan, volume, labels)
    there = Scene.of(plan, volume, labels, device=torch.device("cuda"))
    for look in (Scene.grey, Scene.target, Scene.guide):
        found = look(there, box)
        assert found.device.type == "cuda"
        torch.testing.assert_close(found.cpu(), look(here, box))
