"""Packages and bundles of strangers that try what their formats allow: nothing runs."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sparseseg.cli.main import main
from sparseseg.errors import UserError
from sparseseg.models.install import import_file
from sparseseg.models.readers import read_model
from tests.models.paths import BIOIMAGEIO, MONAI, copied, image

MARK = "PWNED"
STATE = BIOIMAGEIO / "state"
BOMB = "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9 if n else ['ha'] * 9)}]\n"
    for n in range(9)
)


class Payload:
    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


def package(folder: Path, **places) -> Path:
    """Return a package of BioImage.IO, changed at places such as weights__kwargs."""
    made = copied(STATE, folder)
    _change(made / "rdf.yaml", places)
    return made


def bundle(folder: Path, **places) -> Path:
    made = copied(MONAI, folder)
    _change(made / "configs" / "inference.json", places)
    return made


def _change(path: Path, places) -> None:
    described = yaml.safe_load(path.read_text())
    for place, value in places.items():
        *outer, last = (int(p) if p.isdigit() else p for p in place.split("__"))
        spot = described
        for name in outer:
            spot = spot[name]
        spot[last] = value
    dumped = json.dumps(described) if path.suffix == ".json" else yaml.dump(described)
    path.write_text(dumped)


def with_text(made: Path, name: str, old: str, new: str) -> Path:
    path = made / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return made


def with_file(made: Path, name: str, content: bytes) -> Path:
    (made / name).unlink()
    (made / name).write_bytes(content)
    return made


def pickled() -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": Payload()}, stream)
    return stream.getvalue()


def script() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Conv3d(1, 2, 1)), stream)
    return stream.getvalue()


def objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Payload()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def claims(shape: str) -> bytes:
    """Return an array whose head says more than there is."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.encode() + b"\n"


def linked(made: Path, name: str, target: str) -> Path:
    (made / name).unlink()
    (made / name).symlink_to(target)
    return made


def zipped(made: Path, folder: Path, name: str) -> Path:
    """Return an archive of a package, with one more file under a name."""
    path = Path(shutil.make_archive(str(folder / "package"), "zip", made))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    return path


WEIGHTS = "weights__pytorch_state_dict"
KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a YAML tag that calls": (
        lambda f: with_text(
            package(f), "rdf.yaml", "type: model",
            f"type: !!python/object/apply:os.system ['touch {MARK}']",
        ),
        "damaged",
    ),
    "anchors that grow, as arguments": (
        lambda f: with_text(
            with_text(package(f), "rdf.yaml", "authors:", f"{BOMB}authors:"),
            "rdf.yaml", "num_res_units: 1", "num_res_units: *l8",
        ),
        "nested too deeply",
    ),
    "a pickle as weights": (
        lambda f: with_file(
            package(f, **{f"{WEIGHTS}__sha256": None}), "weights.pt", pickled()
        ),
        "may not run code",
    ),
    "a pickle named safetensors": (
        lambda f: with_file(
            package(f, **{f"{WEIGHTS}__sha256": None}), "weights.pt", pickle.dumps(Payload())
        ),
        "weights.pt",
    ),
    "a TorchScript program named pt": (
        lambda f: with_file(
            package(f, **{f"{WEIGHTS}__sha256": None}), "weights.pt", script()
        ),
        "weights.pt",
    ),
    "objects in the example": (
        lambda f: with_file(
            package(f, outputs__0__postprocessing=[]), "out.npy", objects()
        ),
        "layout",
    ),
    "an example that claims more than there is": (
        lambda f: with_file(
            package(f, outputs__0__postprocessing=[]), "out.npy", claims("(1000000, 1000000, 9000)")
        ),
        "",
    ),
    "a link out of the folder": (
        lambda f: linked(package(f), "weights.pt", "/etc/passwd"),
        "outside of its folder",
    ),
    "a path of Windows": (
        lambda f: package(f, **{f"{WEIGHTS}__source": "C:\\weights.pt"}),
        "outside of its folder",
    ),
    "a name with a zero": (
        lambda f: package(f, **{f"{WEIGHTS}__source": "a\0b.pt"}),
        "",
    ),
    "an endless halo": (
        lambda f: package(f, outputs__0__axes__2__halo=float("inf")),
        "",
    ),
    "a size with a thousand digits": (
        lambda f: package(f, inputs__0__axes__2__size=10**1000),
        "",
    ),
    "a number where a list belongs": (lambda f: package(f, inputs=7), "layout"),
    "a name of megabytes": (
        lambda f: package(f, weights__pytorch_state_dict__architecture__callable="U" * 10**6),
        "runs no TorchScript",
    ),
    "an archive that climbs out": (
        lambda f: zipped(package(f), f, "../weights.pt"),
        "",
    ),
    "an archive with a whole path": (
        lambda f: zipped(package(f), f, "/etc/weights.pt"),
        "",
    ),
    "an expression in a list in a list": (
        lambda f: bundle(f, inferer__roi_size=[["$__import__('os').system('touch PWNED')"]]),
        "may not run code",
    ),
    "$import in the arguments": (
        lambda f: bundle(f, network_def__channels=["$import os", 2]),
        "may not run code",
    ),
    "references that grow": (
        lambda f: bundle(
            f,
            **{f"r{n}": [f"@r{n - 1}"] * 10 if n else [1] * 10 for n in range(9)},
            network_def__channels="@r8",
        ),
        "nested too deeply",
    ),
    "a target under a known name": (
        lambda f: bundle(f, network_def___target_="os.system.UNet"),
        "knows",
    ),
    "an infinite overlap": (lambda f: bundle(f, inferer__overlap=float("inf")), ""),
    "a config nested without end": (
        lambda f: with_file(bundle(f), "configs/inference.json", b"[" * 10**6),
        "damaged",
    ),
    "a file to be included": (
        lambda f: bundle(f, network_def__channels="%/etc/passwd"),
        "",
    ),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def hostile(request, tmp_path, monkeypatch):
    """Return what a stranger made, and the words that refuse it."""
    make, words = KINDS[request.param]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))
    yield make(tmp_path), words
    assert not list(tmp_path.rglob(MARK))


def test_each_is_refused_with_one_sentence_and_nothing_runs(hostile) -> None:
    path, words = hostile
    with pytest.raises(UserError) as caught:
        read_model(path)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 700


def test_each_is_refused_at_every_door(hostile, tmp_path, capsys) -> None:
    path, words = hostile
    with pytest.raises(UserError):
        import_file(path, "stranger")  # as the window does
    output = str(tmp_path / "a.nii.gz")
    for command in (
        ["predict", str(path), str(image(0)), "-o", output],
        ["models", "import", str(path)],
    ):
        assert main(command) == 2
        assert words in capsys.readouterr().err
    assert not Path(output).exists()
    assert not list((tmp_path / "store").glob("*.safetensors"))


def test_a_pickle_named_as_a_model_of_ours(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.safetensors"
    for content in (pickled(), pickle.dumps(Payload()), script()):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a readable model"):
            read_model(path)
    assert not (tmp_path / MARK).exists()
