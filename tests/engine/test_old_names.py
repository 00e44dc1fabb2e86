"""What older versions wrote still works: model files, flags and Python."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from sparseseg import recipes
from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.settings.cards import CARDS, OLD_NAMES
from sparseseg.settings.training import TrainSettings
from tests.miniature import SHAPE

OLD = Path(__file__).parent / "unet3d-fast.safetensors"
"""A small network that the version before the new name saved, with rules."""


def without(keys: set[str], folder: Path) -> Path:
    """Write the old file as still older versions did, which had fewer keys."""
    with safe_open(OLD, "pt") as file:
        description = json.loads(file.metadata()["sparseseg"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for key in keys:
        description.pop(key, None)
        description["plan"].pop(key, None)
    words = {"sparseseg": json.dumps(description)}
    save_file(tensors, folder / "older.safetensors", metadata=words)
    return folder / "older.safetensors"


def test_a_model_of_the_old_name_loads_and_predicts():
    model = Model.load(OLD)

    assert model.plan.recipe == "three-view"
    assert model.rules == ("drop below 5 voxels",)
    found = model.predict(blobs(SHAPE, classes=1).volume)
    assert found.labels.shape == SHAPE
    assert np.isfinite(found.probabilities).all()


def test_a_model_from_before_rules_and_inference_loads_and_predicts(tmp_path):
    model = Model.load(without({"rules", "inference"}, tmp_path))

    assert model.rules == ()
    volume = blobs(SHAPE, classes=1).volume
    raw = Model.load(OLD)
    raw.rules = ()
    expected = raw.predict(volume).labels
    np.testing.assert_array_equal(model.predict(volume).labels, expected)


def test_it_is_saved_under_the_new_name(tmp_path):
    Model.load(OLD).save(tmp_path / "m.safetensors")

    assert b"unet3d-fast" not in (tmp_path / "m.safetensors").read_bytes()


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_an_old_name_means_the_new_recipe(old, new):
    assert TrainSettings(recipe=old) == TrainSettings(recipe=new)
    assert recipes.get(old) is recipes.get(new)
    assert new in CARDS
    assert old not in CARDS
