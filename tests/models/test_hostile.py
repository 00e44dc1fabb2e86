"""Files that run code when loaded carelessly: refused with a sentence, and nothing runs."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sparseseg.errors import UserError
from sparseseg.models.readers import read_model
from sparseseg.models.readers.unpickling import read_checkpoint, read_pickle
from tests.models.paths import MLPERF, V1, V2, copied

MARK = "PWNED"


class Payload:
    """Creates a file in the current folder when it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


class Opener:
    def __reduce__(self):
        return open, (MARK, "w")


class Evaluated:
    def __reduce__(self):
        return eval, (f"open({MARK!r}, 'w')",)


class Encoded:
    """Asks for a codec that is not plain: some import modules by their name."""

    def __reduce__(self):
        import _codecs

        return _codecs.encode, ("x", "antigravity")


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARK).exists()


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_model(path)
    words = str(caught.value)
    assert "\n" not in words
    assert len(words) < 600
    return words


@pytest.mark.parametrize("kind", [Payload, Opener, Evaluated, Encoded])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_plans_that_call_something(tmp_path, kind, protocol):
    folder = copied(V1, tmp_path)
    plans = {"num_classes": 2, "plans_per_stage": kind()}
    (folder / "plans.pkl").write_bytes(pickle.dumps(plans, protocol))
    words = refused(folder)
    assert "code" in words or "damaged" in words


def test_the_description_of_a_fold_that_calls_something(tmp_path):
    folder = copied(V1, tmp_path)
    bad = folder / "fold_0" / "model_final_checkpoint.model.pkl"
    bad.write_bytes(pickle.dumps(Payload()))
    assert "posix.system" in refused(folder)


@pytest.mark.parametrize("kind", [Payload, Opener, Evaluated])
def test_a_checkpoint_that_calls_something(tmp_path, kind):
    folder = copied(V2, tmp_path)
    weights = folder / "fold_1" / "checkpoint_final.pth"
    held = torch.load(weights, weights_only=False)
    torch.save({**held, "logging": kind()}, weights)
    assert "may not run code" in refused(folder)


def test_a_checkpoint_that_is_a_whole_module(tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Linear(1, 1)), tmp_path / "model.pth")
    assert "torch.nn.modules.container.Sequential" in refused(tmp_path / "model.pth")


def test_a_checkpoint_in_the_old_container(tmp_path):
    torch.save(Payload(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    refused(tmp_path / "a.pth")
    held = torch.load(MLPERF, weights_only=True)
    torch.save(held, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    assert read_model(tmp_path / "b.pth").table.names == ("kidney", "tumour")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["architecture", "network_class_name"], "subprocess.Popen"),
        (["architecture", "arch_kwargs", "norm_op"], "os.system"),
        (["architecture", "arch_kwargs", "conv_op"], "builtins.eval"),
        (["architecture", "arch_kwargs", "nonlin"], "shutil.rmtree"),
        (["architecture", "arch_kwargs", "dropout_op"], "os.remove"),
        (["normalization_schemes"], ["os.system"]),
    ],
)
def test_plans_that_name_something_callable(tmp_path, place, value):
    folder = with_configuration(tmp_path, place, value)
    assert "not known here" in refused(folder)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["architecture", "arch_kwargs", "features_per_stage"], [10**9] * 4),
        (["architecture", "arch_kwargs", "n_stages"], 10**6),
        (["architecture", "arch_kwargs", "n_conv_per_stage"], [10**6] * 4),
        (["architecture", "arch_kwargs", "features_per_stage"], [4, 8, 12, 17]),
        (["architecture", "arch_kwargs", "kernel_sizes"], "3"),
        (["spacing"], [0, 1, 1]),
        (["patch_size"], [16]),
        (["patch_size"], [16, 32, -32]),
        (["inherits_from"], "3d_fullres"),
    ],
)
def test_plans_that_are_damaged_or_ask_for_too_much(tmp_path, place, value):
    refused(with_configuration(tmp_path, place, value))


def with_configuration(tmp_path, place, value) -> Path:
    folder = copied(V2, tmp_path)
    plans = json.loads((folder / "plans.json").read_text())
    spot = plans["configurations"]["3d_fullres"]
    for name in place[:-1]:
        spot = spot[name]
    spot[place[-1]] = value
    (folder / "plans.json").write_text(json.dumps(plans))
    return folder


@pytest.mark.parametrize("trainer", ["nnUNetTrainerBN", "STUNetTrainer", "x" * 500])
def test_a_trainer_that_may_have_changed_the_network(tmp_path, trainer):
    folder = copied(V2, tmp_path)
    for fold in ("fold_0", "fold_1"):
        path = folder / fold / "checkpoint_final.pth"
        held = torch.load(path, weights_only=False)
        torch.save({**held, "trainer_name": trainer}, path)
    assert "may have changed the network" in refused(folder)


@pytest.mark.parametrize("name", ["plans.json", "fold_0/checkpoint_final.pth"])
@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_files_that_are_cut_short(tmp_path, name, kept):
    folder = copied(V2, tmp_path)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:kept])
    assert "fetch it again" in refused(folder)


def test_weights_that_are_no_numbers(tmp_path):
    held = torch.load(MLPERF, weights_only=True)
    held["best_model_state_dict"]["output.conv.0.bias"][0] = float("nan")
    torch.save(held, tmp_path / "nan.pth")
    assert "not numbers" in refused(tmp_path / "nan.pth")


def test_weights_of_another_network(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "other.pth")
    assert "best_model_state_dict" in refused(tmp_path / "other.pth")
    held = torch.load(MLPERF, weights_only=True)
    held["best_model_state_dict"]["attention.weight"] = torch.ones(3)
    torch.save(held, tmp_path / "more.pth")
    assert "attention.weight" in refused(tmp_path / "more.pth")


def archive(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../PWNED", "/tmp/PWNED", "a/../../PWNED", "..\\PWNED", "C:\\PWNED"]
)
def test_an_archive_that_climbs_out(tmp_path, name):
    words = refused(archive(tmp_path / "slip.zip", {name: b"x", "D/plans.json": b"{}"}))
    assert "outside of its folder" in words


def test_an_archive_that_grows(tmp_path):
    path = archive(tmp_path / "bomb.zip", {"D/plans.json": b"0" * 50_000_000})
    assert "grows from" in refused(path)


def test_an_archive_with_too_many_files(tmp_path):
    path = archive(tmp_path / "many.zip", {f"D/{i}": b"" for i in range(20_001)})
    assert "20001 files" in refused(path)


def test_an_archive_with_a_link(tmp_path):
    link = zipfile.ZipInfo("D/plans.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    assert "is a link" in refused(tmp_path / "link.zip")


def test_an_archive_that_is_none_or_damaged(tmp_path):
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 and no more")
    assert "not a complete zip" in refused(tmp_path / "none.zip")
    path = archive(tmp_path / "bad.zip", {"D/plans.json": os.urandom(5000)})
    content = bytearray(path.read_bytes())
    content[2000:2010] = b"0" * 10
    path.write_bytes(content)
    assert "damaged" in refused(path)


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_an_archive_whose_packing_is_damaged(tmp_path, packing):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", packing) as file:
        file.writestr("D/plans.json", json.dumps(list(range(20_000))))
    content = bytearray(path.read_bytes())
    content[200:210] = b"\xff" * 10
    path.write_bytes(content)
    assert "plans.json in the archive is damaged" in refused(path)


def test_a_model_in_an_archive_among_the_noise_of_a_mac(tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as file:
        for inner in sorted(V2.rglob("*")):
            if inner.is_file():
                file.write(inner, Path("Dataset501", V2.name) / inner.relative_to(V2))
        file.writestr("__MACOSX/Dataset501/._plans.json", b"\0\5\26\7")
    assert read_model(path).table.names == ("liver", "tumor")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"notes.txt": "nothing"}, "no model of a known format"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, made, words):
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert words in refused(tmp_path)


def test_a_file_that_is_not_there_and_one_of_no_known_kind(tmp_path):
    assert "check the path" in refused(tmp_path / "missing.zip")
    (tmp_path / "a.txt").write_text("x")
    assert "no model of a known format" in refused(tmp_path / "a.txt")


def test_two_models_in_one_folder_are_named(tmp_path):
    copied(V2, tmp_path / "a")
    copied(V1, tmp_path / "b")
    words = refused(tmp_path)
    assert "2 models" in words
    assert V1.name in words


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_of_old_and_new_numpy_are_read(tmp_path, module):
    values = {"a": np.arange(3.0), "b": np.float32(2.5)}
    raw = pickle.dumps(values, 2).replace(b"numpy._core.multiarray", module.encode())
    (tmp_path / "plans.pkl").write_bytes(raw)
    found = read_pickle(tmp_path / "plans.pkl")
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"] == 2.5


def test_a_checkpoint_holds_plain_values_and_arrays(tmp_path):
    held = {"a": np.float64(1.5), "b": torch.ones(2), "c": {"d": [1, None, "x"]}}
    buffer = io.BytesIO()
    torch.save(held, buffer)
    (tmp_path / "c.pth").write_bytes(buffer.getvalue())
    found = read_checkpoint(tmp_path / "c.pth")
    assert found["a"] == 1.5
    assert found["c"] == held["c"]
