"""Bundles of MONAI: the same answers as the library's, and nothing in them is run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sparseseg.data.files import read
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers import read_model
from sparseseg.nn.monai import network_of
from tests.models.paths import FIXTURES, MONAI, copied, image

MARK = "PWNED"
RUN = f"$open('{MARK}', 'w')"


def answers():
    return np.load(FIXTURES / "monai.npz")


def test_the_network_answers_as_in_monai():
    expected, model = answers(), read_model(MONAI)
    with torch.inference_mode():
        found = model.network(torch.from_numpy(expected["patch_in"]))[0].numpy()
    np.testing.assert_allclose(found, expected["patch_logits"], rtol=1e-6, atol=1e-5)
    assert model.table.names == ("liver", "tumor")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.filterwarnings("ignore::sparseseg.errors.Note")
def test_no_voxel_of_a_label_map_differs(number):
    found = read_model(MONAI).predict(read(image(number, "monai")))
    expected = answers()[f"test_0{number}.seg_nibabel_xyz"].transpose(2, 1, 0)
    assert (found.labels != expected).sum() == 0


@pytest.mark.filterwarnings("ignore::sparseseg.errors.Note")
def test_it_is_kept_in_our_own_file_and_stays_the_same(tmp_path):
    model = read_model(MONAI)
    model.save(tmp_path / "kept.safetensors")
    again = Model.load(tmp_path / "kept.safetensors")
    assert again.plan.to_json() == model.plan.to_json()
    volume = read(image(1, "monai"))
    assert np.array_equal(again.predict(volume).labels, model.predict(volume).labels)


def test_an_archive_of_a_bundle_is_read(tmp_path):
    path = shutil.make_archive(str(tmp_path / "b"), "zip", MONAI.parent, MONAI.name)
    assert read_model(Path(path)).table.names == ("liver", "tumor")


def test_voxel_sizes_are_told_along_the_axes_of_the_volume():
    # The network sees x, y, z: 1.2 x 1.2 x 2 mm there are 2 x 1.2 x 1.2 mm here.
    assert read_model(MONAI).plan.stored_spacing == (2.0, 1.2, 1.2)


def test_it_is_not_trained_further():
    model = read_model(MONAI)
    with pytest.raises(UserError, match="not be trained further"):
        model.recipe.adopt(model, [], {})


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield copied(MONAI, tmp_path)
    assert not Path(MARK).exists()


def changed(folder: Path, place: list, value) -> str:
    """Change a value of the config and return the sentence with which it is refused."""
    path = folder / "configs" / "inference.json"
    config = json.loads(path.read_text())
    spot = config
    for name in place[:-1]:
        spot = spot[name]
    spot[place[-1]] = value
    path.write_text(json.dumps(config))
    with pytest.raises(UserError) as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


FIRST = ["preprocessing", "transforms"]
LAST = ["postprocessing", "transforms"]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["network_def", "channels"], RUN, "may not run code"),
        (["network_def", "channels", 0], " " + RUN, "may not run code"),
        (["network_def", "_target_"], "os.system", "asks for the network"),
        (["network_def", "_target_"], "scripts.net.UNet", "asks for the network"),
        (["network_def", "_target_"], "monai.networks.nets.VNet", "knows"),
        (["network_def", "_requires_"], [RUN], "may not run code"),
        (["network_def", "_mode_"], "callable", "not known"),
        (["network_def", "command"], "touch", "command"),
        (["network_def", "norm"], "evil", "not known"),
        (["network_def", "channels"], [4, 8, 10**9], "go from 1 to 4096"),
        (["network_def", "channels"], [4, 8, 17], "weights are not those"),
        (["network_def", "num_res_units"], 10**9, "go from 1 to"),
        (["network_def", "channels"], "@network_def", "refers to itself"),
        (["network_def"], "$@x", "no network"),
        ([*FIRST, 3, "pixdim"], RUN, "may not run code"),
        ([*FIRST, 3, "pixdim"], [0, 1, 1], "above 0"),
        ([*FIRST, 3, "mode"], "nearest", "bilinear"),
        ([*FIRST, 2, "axcodes"], "LPS", "RAS"),
        ([*FIRST, 4, "_target_"], "scripts.my.Lambdad", "Lambda"),
        ([*FIRST, 4, "_disabled_"], "$True", "may not run code"),
        ([*FIRST, 4, "a_min"], None, "a number is needed"),
        ([*FIRST, 4, "relative"], True, "relative"),
        ([*LAST, 1, "nearest_interp"], True, "not known"),
        ([*LAST, 2, "threshold"], 0.3, "not known here"),
        ([*LAST, 0, "softmax"], False, "neither"),
        ([*LAST, 2, "_target_"], "KeepLargestConnectedComponentd", "KeepLargest"),
        (["inferer", "_target_"], "os.system", "os.system"),
        (["inferer", "roi_size"], [32, -1, 16], "roi_size"),
        (["inferer", "roi_size"], [30, 32, 16], "multiple"),
        (["inferer", "overlap"], 1.0, "overlap"),
        (["inferer", "padding_mode"], "reflect", "padding_mode"),
        (["inferer", "mode"], "odd", "layout"),
    ],
)
def test_what_is_not_known_or_hostile_is_refused_with_a_sentence(
    bundle, place, value, words
):
    assert words in changed(bundle, place, value)


def test_what_is_not_needed_may_hold_expressions_that_are_never_run(bundle):
    path = bundle / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["imports"] = [RUN]
    config["initialize"] = [RUN]
    path.write_text(json.dumps(config))
    assert read_model(bundle).table.names == ("liver", "tumor")


def test_references_to_values_are_followed(bundle):
    path = bundle / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["inferer"]["overlap"] = "@settings#overlap"
    config["settings"] = {"overlap": "@other"}
    config["other"] = 0.25
    path.write_text(json.dumps(config))
    assert read_model(bundle).plan.inference["overlap"] == 0.25


def test_weights_that_are_missing_or_none(bundle):
    weights = bundle / "models" / "model.pt"
    held = torch.load(weights, weights_only=True)
    torch.save({"state_dict": {f"module.{k}": v for k, v in held.items()}}, weights)
    assert read_model(bundle).table.names == ("liver", "tumor")
    torch.save({**held, "extra": "word"}, weights)
    with pytest.raises(UserError, match="extra"):
        read_model(bundle)
    weights.unlink()
    with pytest.raises(UserError, match="is a program"):
        read_model(bundle)


@pytest.mark.parametrize("content", ["", "{", "[1]", "[" * 10_000, "x" * 100])
def test_configs_that_are_damaged(bundle, content):
    (bundle / "configs" / "inference.json").write_text(content)
    with pytest.raises(UserError, match="fetch"):
        read_model(bundle)


def test_odd_sides_come_back_as_they_were():
    network = network_of("BasicUNet", {"features": [2] * 6, "out_channels": 1})
    image = torch.zeros(1, 1, 33, 32, 47)
    assert network(image)[0].shape == (1, 1, 33, 32, 47)
    with pytest.raises(ValueError, match="none of"):
        network_of("Nothing", {})
