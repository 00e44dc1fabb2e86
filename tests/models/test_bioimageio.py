"""Packages of BioImage.IO: the same answers as bioimageio.core, and no code is run."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers import read_model
from sparseseg.models.readers.bioimageio_tensors import tensor_of, windows_of
from sparseseg.nn.monai import network_of
from sparseseg.nn.onnx_program import OnnxProgram, check_program
from tests.models.paths import BIOIMAGEIO, copied

STATE, ONNX = BIOIMAGEIO / "state", BIOIMAGEIO / "onnx"
MARK = "PWNED"


def answers(name: str):
    found = np.load(BIOIMAGEIO / "answers.npz")
    return {k.removeprefix(f"{name}_"): found[k] for k in found if k.startswith(name)}


def volume(name: str) -> Volume:
    return Volume(answers(name)["grey"], (1, 1, 1), "pixel")


@pytest.mark.parametrize("folder", [STATE, ONNX])
def test_no_voxel_differs_from_what_the_library_predicts_in_blocks(folder):
    model = read_model(folder)
    found = model.predict(volume(folder.name))
    assert (found.labels != answers(folder.name)["labels"]).sum() == 0
    assert model.table.names == ("part0", "part1")


def test_the_network_answers_as_in_the_library():
    expected = answers("onnx")
    grey = expected["patch_in"]
    normal = (grey - grey.mean()) / (grey.std() + 1e-6)
    network = read_model(ONNX).network
    found = network(torch.from_numpy(normal))[0].sigmoid().numpy()
    np.testing.assert_allclose(found, expected["patch_out"], atol=1e-5)


@pytest.mark.parametrize("folder", [STATE, ONNX])
def test_it_is_kept_in_our_own_file_and_stays_the_same(tmp_path, folder):
    model = read_model(folder)
    model.save(tmp_path / "kept.safetensors")
    again = Model.load(tmp_path / "kept.safetensors")
    assert again.plan.to_json() == model.plan.to_json()
    found = again.predict(volume(folder.name)).labels
    assert np.array_equal(found, answers(folder.name)["labels"])


def test_an_archive_and_the_description_alone_are_read(tmp_path):
    path = shutil.make_archive(str(tmp_path / "package"), "zip", ONNX)
    assert read_model(Path(path)).table.names == ("part0", "part1")
    again = read_model(ONNX / "rdf.yaml")
    assert again.table.names == ("part0", "part1")
    licence = again.history["derived_from"]["licence"]
    assert licence == {"weights": "CC0-1.0", "commercial": "unclear"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield copied(STATE, tmp_path)
    assert not Path(MARK).exists()


def edited(folder: Path, place: list, value) -> None:
    path = folder / "rdf.yaml"
    described = yaml.safe_load(path.read_text())
    spot = described
    for name in place[:-1]:
        spot = spot[name]
    spot[place[-1]] = value
    path.write_text(yaml.safe_dump(described))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_model(folder)
    words = str(caught.value)
    assert "\n" not in words
    assert len(words) < 600
    return words


ARCHITECTURE = ["weights", "pytorch_state_dict", "architecture"]
SOURCE = ["weights", "pytorch_state_dict", "source"]
IMAGE, ANSWER = ["inputs", 0], ["outputs", 0]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ([*ARCHITECTURE, "import_from"], "os", "runs no TorchScript"),
        ([*ARCHITECTURE, "callable"], "system", "runs no TorchScript"),
        ([*ARCHITECTURE, "source"], "arch.py", "no network in Python"),
        ([*ARCHITECTURE, "kwargs", "norm"], "evil", "not known"),
        ([*ARCHITECTURE, "kwargs", "channels"], [4, 10**9], "4096"),
        ([*ARCHITECTURE, "kwargs", "channels"], [4, 9], "weights are not those"),
        (SOURCE, "../weights.pt", "outside of its folder"),
        (SOURCE, "/etc/passwd", "outside of its folder"),
        (SOURCE, "https://example.com/weights.pt", "whole package"),
        (SOURCE, "missing.pt", "not in state"),
        (["weights", "pytorch_state_dict", "sha256"], "0" * 64, "sha256"),
        (["weights"], {"torchscript": {"source": "m.pt"}}, "runs no TorchScript"),
        (["weights"], {"keras_hdf5": {"source": "m.h5"}}, "keras_hdf5"),
        (["format_version"], "0.3.6", "0.4 and 0.5"),
        (["format_version"], "1.0.0", "0.4 and 0.5"),
        (["type"], "dataset", "dataset"),
        (["inputs"], [], "takes 0 images"),
        ([*IMAGE, "preprocessing"], [{"id": "custom"}], "custom"),
        ([*IMAGE, "preprocessing"], [{"id": "binarize"}], "binarize"),
        ([*IMAGE, "preprocessing", 0, "kwargs", "axes"], ["x"], "along x"),
        ([*IMAGE, "axes", 2, "type"], "time", "time"),
        ([*IMAGE, "axes", 2, "id"], "y", "needs y, x"),
        ([*IMAGE, "axes", 2, "size"], 10**9, "4096"),
        ([*ANSWER, "axes", 2, "halo"], 16, "nothing is left"),
        ([*ANSWER, "axes", 2, "size", "offset"], 2, "another size"),
        ([*ANSWER, "postprocessing"], [{"id": "cellpose"}], "cellpose"),
        ([*ANSWER, "axes", 1, "channel_names"], ["a"] * 300, "2 outputs for 1 and 300"),
    ],
)
def test_what_is_not_known_or_hostile_is_refused_with_a_sentence(
    package, place, value, words
):
    edited(package, place, value)
    assert words in refused(package)


def test_code_of_a_network_is_not_touched_where_there_is_onnx(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = copied(ONNX, tmp_path)
    (folder / "arch.py").write_text(f"open({MARK!r}, 'w')")
    architecture = {"callable": "UNet", "source": "arch.py", "sha256": "0" * 64}
    state = {"source": "weights.pt", "architecture": architecture}
    edited(folder, ["weights", "pytorch_state_dict"], state)
    assert read_model(folder).table.names == ("part0", "part1")
    assert not Path(MARK).exists()


def test_answers_that_are_no_probabilities(package):
    edited(package, [*ANSWER, "postprocessing"], [])
    assert (
        "part0" in read_model(package).table.names
    )  # the example goes from 0 to 1: the network does the rest itself
    found = np.load(package / "out.npy")
    np.save(package / "out.npy", found * 20 - 5)
    assert "no probabilities" in refused(package)
    (package / "out.npy").write_bytes(b"no array")
    assert "layout" in refused(package)


def old(described: dict) -> dict:
    """Return a description of the format 0.4 for the same model."""
    weights = described["weights"]["pytorch_state_dict"]
    return {
        **described,
        "format_version": "0.4.10",
        "inputs": [
            {
                "name": "image",
                "axes": "bczyx",
                "shape": [1, 1, 32, 32, 32],
                "preprocessing": [
                    {
                        "name": "zero_mean_unit_variance",
                        "kwargs": {"mode": "per_sample", "axes": "czyx"},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "name": "answer",
                "axes": "bczyx",
                "shape": {
                    "reference_tensor": "image",
                    "scale": [1.0, 0.0, 1.0, 1.0, 1.0],
                    "offset": [0.0, 1.0, 0.0, 0.0, 0.0],
                },
                "halo": [0, 0, 4, 4, 4],
                "postprocessing": [{"name": "sigmoid"}],
            }
        ],
        "weights": {
            "pytorch_state_dict": {
                "source": "weights.pt",
                "sha256": weights["sha256"],
                "architecture": "monai.networks.nets.UNet",
                "kwargs": weights["architecture"]["kwargs"],
            }
        },
    }


def test_the_older_format_says_the_same(package):
    described = yaml.safe_load((package / "rdf.yaml").read_text())
    (package / "rdf.yaml").unlink()
    (package / "bioimageio.yaml").write_text(yaml.safe_dump(old(described)))
    model = read_model(package)
    assert model.plan.inference == read_model(STATE).plan.inference
    found = model.predict(volume("state")).labels
    assert np.array_equal(found, answers("state")["labels"])


def test_windows_grow_in_the_steps_of_the_model():
    axes = [
        {"type": "space", "id": axis, "size": {"min": 20, "step": 16}} for axis in "yx"
    ]
    there = [
        {**axis, "size": {"tensor_id": "a", "axis_id": "y"}, "halo": 3} for axis in axes
    ]
    source, answer = tensor_of({"axes": axes}), tensor_of({"axes": there})
    # 20 + 31 * 16 = 516 is the first size of at least 512.
    assert windows_of(source, answer) == (
        (1, 516, 516), (1, 20, 20), (1, 16, 16), (0, 3, 3),
    )  # fmt: skip


def test_a_small_volume_is_shown_in_a_small_window(package):
    for axis in (2, 3, 4):
        edited(package, [*IMAGE, "axes", axis, "size"], {"min": 16, "step": 2})
    small = Volume(answers("state")["grey"][:, :9, :11, :13], (1, 1, 1), "pixel")
    assert read_model(package).predict(small).labels.shape == (9, 11, 13)


def program(node: str, domain: str = "", external: bool = False) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [1, 1, 4, 4]
    weight = helper.make_tensor("w", kind, [1], [2.0])
    if external:
        weight.ClearField("float_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="/etc/passwd")
    graph = helper.make_graph(
        [helper.make_node(node, ["a", "w"], ["b"], domain=domain)],
        "g",
        [helper.make_tensor_value_info("a", kind, shape)],
        [helper.make_tensor_value_info("b", kind, shape)],
        [weight],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=sets)
    model.ir_version = 8
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (program("Run", "evil"), "no part of ONNX"),
        (program("Loop"), "never end"),
        (program("Mul", external=True), "another file"),
        (b"no program", "damaged"),
    ],
)
def test_programs_that_reach_out_are_refused(content, words):
    with pytest.raises(UserError, match=words):
        check_program(content)


def test_a_program_of_another_order_of_axes():
    content = program("Mul")
    network = OnnxProgram(len(content), 1, into=[0, 1, 2, 3], out=[0, 1, 3, 2])
    network.program.data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(network(image)[0], 2 * image.transpose(2, 3))
    with pytest.raises(UserError, match="failed on"):
        network(torch.zeros(1, 1, 5, 4))
    with pytest.raises(ValueError, match="axes"):
        OnnxProgram(4, 1, into=[0, 1, 2, 2], out=[0, 1, 2, 3])


def test_the_fixtures_are_what_their_description_says():
    described = yaml.safe_load((ONNX / "rdf.yaml").read_text())
    entry = described["weights"]["onnx"]
    content = (ONNX / entry["source"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


SMALL: dict[str, dict] = {
    "UNet": {"channels": [4, 8], "strides": [2], "num_res_units": 1},
    "BasicUNet": {"features": [4, 4, 8, 8, 8, 4]},
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    "DynUNet": {
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 8],
    },
}


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_the_state_dict_of_each_known_network_is_read_in_both_formats(
    package, name, is_old
):
    arguments = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, **SMALL[name]}
    torch.manual_seed(0)
    network = network_of(name, arguments).eval()
    torch.save(network.state_dict(), package / "weights.pt")
    edited(package, ["weights", "pytorch_state_dict", "sha256"], None)
    edited(package, [*ARCHITECTURE, "callable"], name)
    edited(package, [*ARCHITECTURE, "kwargs"], arguments)
    if is_old:
        described = old(yaml.safe_load((package / "rdf.yaml").read_text()))
        weights = described["weights"]["pytorch_state_dict"]
        weights["architecture"] = f"monai.networks.nets.{name}"
        (package / "rdf.yaml").write_text(yaml.safe_dump(described))
    model = read_model(package)
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.no_grad():
        assert torch.equal(model.network(image)[0], network(image)[0])
    assert tuple(model.plan.inference["halo"]) == (4, 4, 4)
