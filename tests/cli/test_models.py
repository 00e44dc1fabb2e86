"""The command `models`, and what takes an id for a model."""

import json
import shutil

import numpy as np
import pytest

from sparseseg.cli.main import main
from sparseseg.data.files import read, write_labels
from sparseseg.models.store.folder import path_of, read_stored
from tests.models.paths import FIXTURES, MLPERF, V1, V2, image


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))


def run(capsys, *words) -> tuple[int, dict, str]:
    code = main([*map(str, words), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]) if out else {}, err


def test_models_are_listed_with_where_they_are(capsys):
    code, found, _ = run(capsys, "models", "list", "--organ", "liver")
    assert code == 0
    assert {m["id"] for m in found["models"]} > {"nnunet-task029-lits"}
    assert not any(m["here"] for m in found["models"])
    assert main(["models", "list", "--commercial", "no"]) == 0
    assert "online nnunet-task029-lits" in capsys.readouterr().out


def test_what_is_known_of_a_model_is_told(capsys):
    assert main(["models", "info", "kits19-mlperf"]) == 0
    words = capsys.readouterr().out
    assert "1 kidney, 2 kidney tumour" in words
    assert "commercial use: unclear" in words
    assert "status: format-verified" in words
    code, _, said = run(capsys, "models", "info", "unet9")
    assert code == 2
    assert "no model 'unet9'" in said


def test_a_model_fetched_by_hand_is_imported_used_and_removed(capsys, tmp_path):
    code, found, _ = run(capsys, "models", "import", V2, "--id", "mine")
    assert (code, found["id"]) == (0, "mine")
    assert found["classes"] == {"1": "liver", "2": "tumor"}
    _, listed, _ = run(capsys, "models", "list", "--here")
    assert [m["id"] for m in listed["models"]] == ["mine"]
    target = tmp_path / "labels.nii.gz"
    option = ("--option", "mirror=false")
    code, _, _ = run(capsys, "predict", "mine", image(0), "-o", target, *option)
    assert code == 0
    expected = np.load(FIXTURES / "nnunet_v2.npz")["test_00.seg"]
    assert np.array_equal(read(target).array[0], expected)
    assert run(capsys, "models", "verify", "mine")[0] == 0
    assert run(capsys, "models", "remove", "mine")[0] == 0
    assert run(capsys, "predict", "mine", image(0), "-o", target)[0] == 2


def test_an_import_replaces_a_model_only_where_its_id_is_given(capsys, tmp_path):
    first = tmp_path / "Kidney 1.pth"
    shutil.copy(MLPERF, first)
    assert run(capsys, "models", "import", first)[1]["id"] == "kidney-1"
    second = tmp_path / "kidney_1"
    shutil.copytree(V2, second)
    kept = path_of("kidney-1").read_bytes()
    code, _, said = run(capsys, "models", "import", second)
    assert code == 2
    assert "'kidney-1' is in the store already: remove it first" in said
    assert path_of("kidney-1").read_bytes() == kept
    assert run(capsys, "models", "import", second, "--id", "kidney-1")[0] == 0
    assert read_stored(path_of("kidney-1")).classes == {1: "liver", 2: "tumor"}


def test_the_folder_of_a_model_predicts_without_being_imported(capsys, tmp_path):
    target = tmp_path / "labels.nii.gz"
    words = ("predict", V1, image(1, "nnunet_v1"), "-o", target)
    assert run(capsys, *words, "--option", "mirror=false")[0] == 0
    expected = np.load(FIXTURES / "nnunet_v1.npz")["test_01.seg"]
    assert np.array_equal(read(target).array[0], expected)


def test_training_starts_from_a_model(capsys, tmp_path):
    volume = read(image(0))
    annotation = np.zeros(volume.shape, np.uint8)
    annotation[12] = 255
    annotation[12, 10:30, 10:30] = 1
    write_labels(tmp_path / "a.nii.gz", annotation, like=volume)
    model = tmp_path / "m.safetensors"
    words = ("train", image(0), tmp_path / "a.nii.gz", "-o", model, "--steps", 2)
    code, found, _ = run(capsys, *words, "--from", V2, "--option", "encoder=frozen")
    assert (code, found["recipe"]) == (0, "pretrained")
    code, _, said = run(capsys, *words, "--from", V2, "--recipe", "unet3d")
    assert code == 2
    assert "leave --recipe out" in said
    code, _, said = run(capsys, *words, "--from", V2, "--option", "dims=2")
    assert code == 2
    assert "no option 'dims' here: choose from entropy, mirror, encoder" in said


def test_what_is_not_for_commercial_use_has_to_be_accepted(capsys, monkeypatch):
    code, _, said = run(capsys, "models", "download", "nnunet-task029-lits")
    assert code == 2
    assert "not for commercial use" in said
    assert "--accept-licence" in said
    monkeypatch.setenv("SPARSESEG_OFFLINE", "1")
    words = ("models", "download", "nnunet-task029-lits", "--accept-licence")
    code, _, said = run(capsys, *words)
    assert code == 2
    assert "models import FILE" in said


@pytest.mark.parametrize("name", ["../x", "UPPER", "a/b", ""])
def test_a_name_that_is_no_id_is_refused(capsys, name):
    code, _, said = run(capsys, "models", "remove", name)
    assert code == 2
    assert "small letters, digits and hyphens" in said


def test_a_model_that_is_here_is_not_fetched_again(capsys, monkeypatch):
    monkeypatch.setenv("SPARSESEG_OFFLINE", "1")
    run(capsys, "models", "import", MLPERF, "--id", "kits19-mlperf")
    code, found, _ = run(capsys, "models", "download", "kits19-mlperf")
    assert code == 0
    assert found["path"].endswith("kits19-mlperf.safetensors")


def test_a_package_without_authors_is_refused_by_the_names_of_the_flags(
    capsys, tmp_path
):
    package = tmp_path / "m.zip"
    words = ("models", "export", V2, "-o", package, "--format", "bioimageio")
    code, _, said = run(capsys, *words)
    assert code == 2
    assert "give --author and --licence, such as A. Maker and CC-BY-4.0" in said
    assert not package.exists()
