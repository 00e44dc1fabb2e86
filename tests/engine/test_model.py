import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sparseseg import starting
from sparseseg.data.labels import SparseLabels
from sparseseg.engine import training
from sparseseg.engine.model import FORMAT, Model
from sparseseg.errors import Note, UserError
from tests.miniature import blob_case, fresh_model, settings, shrink


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def model():
    return fresh_model(blob_case())


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def described(path: Path, **changed: object) -> Path:
    """Write weights of nothing under a changed description."""
    whole = {"format": FORMAT, "plan": {}, "classes": [], "history": {}}
    metadata = {"sparseseg": json.dumps({**whole, **changed})}
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    return path


def test_a_loaded_model_predicts_what_the_trained_one_did(tmp_path):
    volume, labels = blob_case()
    model = starting.fit([(volume, labels)], steps=2, device="cpu", held_out=False)
    model.save(tmp_path / "m.safetensors")
    again = Model.load(str(tmp_path / "m.safetensors"))
    for shown in (None, labels):
        found, expected = (m.predict(volume, shown) for m in (again, model))
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=1e-5
        )
    assert again.table == model.table
    assert again.history == model.history
    assert again.history["step"] == 2


def test_a_trained_model_is_not_a_fresh_one():
    volume, labels = blob_case()
    model = fresh_model((volume, labels))
    before = model.predict(volume).probabilities
    starting.fit([(volume, labels)], model=model, steps=2, device="cpu")
    assert not np.allclose(before, model.predict(volume).probabilities, atol=1e-3)


def test_a_model_that_has_predicted_can_be_trained_on_the_same_volume():
    volume, labels = blob_case()
    model = fresh_model((volume, labels))
    model.predict(volume, labels)
    steps = list(training.train(model, [(volume, labels)], settings(steps=1)))
    assert len(steps) == 1


def test_a_model_is_saved_under_its_own_ending_only(model, tmp_path):
    with pytest.raises(UserError, match=r"NAME\.safetensors, got 'model\.pt'"):
        model.save(tmp_path / "model.pt")
    assert not list(tmp_path.iterdir())


def test_a_missing_model_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"there is no model .*none\.safetensors"):
        Model.load(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="there is no model"):
        Model.load(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_a_truncated_model_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"model\.safetensors is not a readable model"):
        Model.load(path)


@pytest.mark.parametrize(
    "content", [b"these are not weights\n" * 9, b"II*\0" + bytes(99), b"\xff" * 64]
)
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a readable model"):
        Model.load(path)


def test_a_renamed_model_is_read_by_its_content(path, tmp_path):
    renamed = path.rename(tmp_path / "renamed.bin")
    assert Model.load(renamed).table.names == ("class 1", "class 2")


def test_weights_of_another_program_are_refused(path):
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="holds weights, but no sparseseg model"):
        Model.load(path)


def test_a_description_that_is_not_json_is_refused(path):
    save_file({"weight": torch.zeros(2)}, path, metadata={"sparseseg": "{"})
    with pytest.raises(UserError, match="is not a readable model"):
        Model.load(path)


def test_a_model_of_a_later_version_asks_for_an_update(path):
    with pytest.raises(UserError, match=r"format 2 .* update sparseseg"):
        Model.load(described(path, format=2))


def test_a_model_without_a_plan_is_refused(path):
    with pytest.raises(UserError, match="description is damaged"):
        Model.load(described(path))


def test_a_model_of_an_unknown_recipe_is_refused(path, model):
    plan = {**model.plan.to_json(), "recipe": "oracle"}
    with pytest.raises(UserError, match="there is no recipe 'oracle'"):
        Model.load(described(path, plan=plan))


def test_weights_that_do_not_fit_the_plan_are_refused(path, model):
    with pytest.raises(UserError, match="is a damaged sparseseg model"):
        Model.load(described(path, plan=model.plan.to_json()))


@pytest.mark.parametrize("widths", [[], ["a"], None, [4, -1]])
def test_an_impossible_network_is_refused(path, model, widths):
    plan = {**model.plan.to_json(), "network": {"widths": widths}}
    with pytest.raises(UserError, match="is a damaged sparseseg model"):
        Model.load(described(path, plan=plan))


@pytest.mark.parametrize("history", ["long ago", [1], 7])
def test_a_history_that_is_no_table_is_refused(path, model, history):
    description = {
        "format": FORMAT,
        "plan": model.plan.to_json(),
        "classes": model.table.to_json(),
        "history": history,
    }
    metadata = {"sparseseg": json.dumps(description)}
    save_file(dict(model.network.state_dict()), path, metadata=metadata)
    with pytest.raises(UserError, match="is a damaged sparseseg model"):
        Model.load(path)


class _Touch:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dump", [pickle.dump, torch.save])
def test_a_pickle_under_our_ending_never_runs(path, tmp_path, dump):
    trace = tmp_path / "trace"
    with path.open("wb") as file:
        dump({"weight": _Touch(trace)}, file)
    with pytest.raises(UserError, match="is not a readable model"):
        Model.load(path)
    assert not trace.exists()


def test_growing_keeps_old_weights_and_adds_an_output(model):
    old = {name: w.clone() for name, w in model.network.state_dict().items()}
    table = SparseLabels(np.full((1, 1, 3), [1, 2, 3], np.uint8)).table
    model.grow((255, 1, 2, 3), table)
    new = model.network.state_dict()
    assert model.plan.outputs == (255, 1, 2, 3)
    assert model.table.numbers == (1, 2, 3)
    assert new["head.weight"].shape[0] == 4
    alike = [name for name in old if old[name].shape == new[name].shape]
    assert "encoder.1.0.weight" in alike
    assert all(torch.equal(new[name], old[name]) for name in alike)


def test_an_output_that_comes_first_moves_the_rows_of_a_plain_network():
    volume, labels = blob_case()
    array = np.where(labels.array == 255, 0, labels.array)
    model = fresh_model((volume, SparseLabels(array)), "lungnet")
    old = {name: w.clone() for name, w in model.network.state_dict().items()}
    model.grow((255, 1, 2), labels.table)
    new = model.network.state_dict()
    moved = [name for name in old if old[name].shape != new[name].shape]
    assert moved
    assert all(torch.equal(new[name][1:], old[name]) for name in moved)


def test_a_grown_model_starts_its_correction_anew(model):
    # New classes shift the channels that the first layer reads: it cannot be kept.
    torch.nn.init.normal_(model.network.head.weight)
    table = SparseLabels(np.full((1, 1, 3), [1, 2, 3], np.uint8)).table
    model.grow((255, 1, 2, 3), table)
    assert not model.network.head.weight.any()


def test_a_model_keeps_the_rules_that_its_predictions_are_cleaned_up_with(
    model, tmp_path
):
    volume, labels = blob_case()
    assert model.predict(volume, labels).labels.any()
    model.rules = ("drop below 999999 voxels",)
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")
    assert again.rules == model.rules
    found = again.predict(volume, labels)
    assert not found.labels.any()
    assert found.probabilities[1:].any()


def test_a_file_with_a_rule_that_there_is_not_is_refused(path, model):
    description = {"plan": model.plan.to_json(), "classes": model.table.to_json()}
    described(path, **description, rules=["keep the best"])
    with pytest.raises(UserError, match=r"damaged sparseseg model|keep the best"):
        Model.load(path)


def test_a_volume_of_unlike_or_unknown_voxels_is_noted_at_each_prediction():
    volume, labels = blob_case()
    model = fresh_model((volume, labels))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Note)
        model.predict(volume)
    large = replace(volume, spacing=tuple(3 * side for side in volume.spacing))
    with pytest.warns(Note, match=r"has voxels of .* trained on voxels of"):
        model.predict(large)
    with pytest.warns(Note, match="has no voxel size, and the model was trained on"):
        model.predict(replace(volume, spacing=(1.0, 1.0, 1.0), unit="pixel"))


def test_a_model_that_may_not_be_read_is_told_so(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "m.safetensors"
    path.touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"cannot read the model .*: Permission denied"):
        Model.load(path)
