"""A model as a package of BioImage.IO, which our own reader reads as any other."""

import json
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from sparseseg.data import samples
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.looks import SHARES
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.package_description import About, write_description
from sparseseg.models.packaging import export_package, scales_of
from sparseseg.models.readers import read_model
from sparseseg.models.whole import Block, Whole
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

SAMPLE = samples.blobs((24, 24, 24))
ABOUT = About(authors=("A. Maker",), licence="CC-BY-4.0", name="Blobs")


@pytest.fixture
def model() -> Model:
    labels = SparseLabels(SAMPLE.annotation)
    model = create([(SAMPLE.volume, labels)], TrainSettings())
    model.history["learned_from"] = [
        {"orientation": "", "quantiles": [SHARES], "medians": {}, "foreground": 0.2}
    ]
    return model


def test_the_unit_is_how_bright_volumes_of_the_training_are(model):
    # Quantiles on a straight line: the mean is in the middle of both ends.
    (found,) = scales_of(model)
    assert found == pytest.approx([0, 0.5])
    model.plan = replace(model.plan, grey=("fixed",))
    assert scales_of(model) == [[0.0, 1.0]]
    model.plan = replace(model.plan, grey=("volume",))
    model.history["learned_from"] = []
    with pytest.raises(UserError, match="train it again"):
        scales_of(model)


@pytest.mark.parametrize(
    ("name", "about", "words"),
    [
        ("m.onnx", ABOUT, "NAME.zip"),
        ("m.zip", replace(ABOUT, authors=()), "About.authors"),
        ("m.zip", replace(ABOUT, licence=""), "About.licence"),
    ],
)
def test_what_is_missing_is_said_before_any_work(tmp_path, model, name, about, words):
    with pytest.raises(UserError) as caught:
        export_package(model, tmp_path / name, (8, 8, 8), about)
    assert words in str(caught.value)


def block_of(model: Model) -> Block:
    return Block(Whole.of(model), scales_of(model)).eval()


def without_program(folder: Path, model: Model) -> dict[str, Any]:
    """Write a package whose other files than the state dict are placeholders."""
    for name in ("weights.onnx", "test_input.npy", "test_output.npy", "cover.png"):
        (folder / name).write_bytes(b"x")
    block = block_of(model)
    torch.save(dict(block.state_dict()), folder / "weights.pt")
    write_description(model, block, (16, 32, 200), ABOUT, folder)
    return yaml.safe_load((folder / "rdf.yaml").read_text())


def test_the_description_says_axes_halo_and_classes(tmp_path, model):
    found = without_program(tmp_path, model)
    image, answer = found["inputs"][0], found["outputs"][0]
    assert [axis.get("size") for axis in image["axes"][2:]] == [16, 32, 200]
    assert [axis.get("halo") for axis in answer["axes"][2:]] == [4, 8, 24]
    assert answer["axes"][1]["channel_names"][0] in ("background", "class 1")
    assert image["axes"][2]["scale"] == 2.0
    assert image["axes"][2]["unit"] == "micrometer"
    assert found["weights"]["onnx"]["parent"] == "pytorch_state_dict"


def test_the_function_that_a_package_names_makes_the_same_network(tmp_path, model):
    # As bioimageio.core does it: import, call, load the state dict, answer.
    found = without_program(tmp_path, model)["weights"]["pytorch_state_dict"]
    architecture = found["architecture"]
    function = getattr(
        import_module(architecture["import_from"]), architecture["callable"]
    )
    network = function(**architecture["kwargs"])
    network.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    image = torch.rand(1, 1, 6, 8, 8)
    with torch.no_grad():
        assert torch.equal(network.eval()(image)[0], block_of(model)(image)[0])


def test_sparseseg_reads_its_own_package_as_the_model_that_it_was(tmp_path, model):
    model.network.views.copy_(torch.tensor([1.0, 0.0, 0.0]))
    model.rules = ("drop below 50 mm3",)
    model.history["derived_from"] = {"id": "kits19"}
    without_program(tmp_path, model)
    again = read_model(tmp_path)
    assert json.dumps(again.plan.to_json()) == json.dumps(model.plan.to_json())
    assert (again.table, again.rules) == (model.table, model.rules)
    assert again.history["derived_from"] == {"id": "kits19"}
    known = model.network.state_dict()
    assert known.keys() == again.network.state_dict().keys()
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, known[name])


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["plan", "network", "widths"], [16, 32, 10**6], "should be"),
        (["plan", "recipe"], "os.system", "os.system"),
        (["plan", "outputs"], [1, 1], "damaged"),
        (["views"], [1.0], "views"),
        (["views"], "$exec()", "layout"),
        (["method"], None, "layout"),
    ],
)
def test_a_package_of_ours_that_was_changed_is_refused(
    tmp_path, model, place, value, words
):
    found = without_program(tmp_path, model)
    spot = found["weights"]["pytorch_state_dict"]["architecture"]["kwargs"]
    *outer, last = place
    for name in outer:
        spot = spot[name]
    spot[last] = value
    if value is None:
        del spot[last]
    (tmp_path / "rdf.yaml").write_text(yaml.safe_dump(found))
    with pytest.raises(UserError) as caught:
        read_model(tmp_path)
    assert words in str(caught.value)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_program_in_a_package_is_read_as_any_other(tmp_path, model):
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library)
    path, folder = tmp_path / "m.zip", tmp_path / "m"
    found = export_package(model, path, (12, 16, 16), ABOUT)
    assert (found.voxels, found.differing) == (12 * 16 * 16, 0)
    with zipfile.ZipFile(path) as archive:
        assert "cover.png" in archive.namelist()
        archive.extractall(folder)
    without_state_dict(folder)
    again = read_model(folder)
    assert again.table.names == model.table.names
    assert again.plan.patch == (12, 16, 16)
    labels = again.predict(SAMPLE.volume).labels
    assert labels.shape == SAMPLE.volume.shape
    assert np.isin(labels, [0, 1, 2]).all()


def without_state_dict(folder: Path) -> None:
    said = yaml.safe_load((folder / "rdf.yaml").read_text())
    del said["weights"]["pytorch_state_dict"]
    (folder / "rdf.yaml").write_text(yaml.safe_dump(said))
