"""A batch reports first the volumes that are unlike those of the training."""

from pathlib import Path

import pytest

from sparseseg.batch.items import find_items
from sparseseg.batch.run import run
from sparseseg.batch.settings import BatchSettings
from sparseseg.cli.main import main
from sparseseg.data.files import write_image
from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.reporting.report import write_report
from sparseseg.starting import fit
from tests.miniature import SHAPE, blob_case, shrink

NOTHING = ("drop 1 below 99999 voxels", "drop 2 below 99999 voxels")


@pytest.fixture
def model(monkeypatch, tmp_path) -> Path:
    shrink(monkeypatch)
    path = tmp_path / "m.safetensors"
    fit([blob_case()], device="cpu", steps=2).save(path)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two volumes like those of the training, and between them one that is inverted."""
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        volume = blobs(SHAPE, seed=seed).volume
        grey = volume.array[0]
        shown = 255 - grey if name == "b" else grey
        write_image(tmp_path / "in" / f"{name}.tif", shown, like=volume)
    return tmp_path / "in"


def entries(model: Path, folder: Path, **changed) -> list[VolumeEntry]:
    settings = BatchSettings(
        model=str(model),
        folder=str(folder),
        output=str(folder.parent / "out"),
        device="cpu",
        **changed,
    )
    reports = run(Model.load(model), find_items(settings), settings)
    return [report.entry for report in reports if report.entry is not None]


def test_an_inverted_volume_is_noted_and_comes_first(model, folder):
    found = entries(model, folder)
    notes = {entry.name: entry.facts["note"] for entry in found}
    assert "invert its grey values" in notes["b.tif"]
    assert "invert" not in notes["a.tif"] + notes["c.tif"]

    page = write_report(folder, found, title="batch").read_text("utf-8")
    rows = page[page.index("<table") :]
    assert rows.index("b.tif") < min(rows.index("a.tif"), rows.index("c.tif"))


@pytest.mark.slow
def test_a_volume_that_stays_on_disk_is_noted_too(model, folder, monkeypatch):
    for name in ("volume", "scratch"):
        monkeypatch.setattr(f"sparseseg.batch.{name}.VOLUME_SHARE", 1e-7)
    found = entries(model, folder)
    assert [entry.state for entry in found] == ["done"] * 3
    assert "invert its grey values" in found[1].facts["note"]


def test_a_prediction_that_finds_nothing_is_noted(model, folder):
    found = entries(model, folder, clean=NOTHING)
    assert all("a class on 0.00% of its voxels" in e.facts["note"] for e in found)


def test_the_command_predict_says_that_nothing_was_found(model, folder, capsys):
    target = folder.parent / "p.tif"
    flags = [part for line in NOTHING for part in ("--clean", line)]
    arguments = ["predict", str(model), str(folder / "a.tif"), "-o", str(target)]
    assert main([*arguments, "--device", "cpu", *flags]) == 0
    assert "a.tif has a class on 0.00% of its voxels" in capsys.readouterr().err
