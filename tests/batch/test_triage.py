"""The volumes that need a person most come first, and go into a project."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from sparseseg.batch.items import SETTINGS, STATE_FOLDER
from sparseseg.batch.manifest import Manifest
from sparseseg.batch.settings import BatchSettings
from sparseseg.batch.triage import worst_images
from sparseseg.cli.main import main
from sparseseg.data.files import read_dense, write_image
from sparseseg.data.samples import blobs
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.project.project import Project
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.reporting.triage import worry, worst_first
from sparseseg.starting import fit
from tests.miniature import SHAPE, blob_case, shrink


def entry(name: str, estimate: float | None = 0.9, **facts) -> VolumeEntry:
    known = {"estimated_dice": estimate, **facts}
    return VolumeEntry(name=name, state="done", key="k", facts=known)


def test_all_signs_are_added_up():
    # 1 - 0.9, and nothing else is unusual.
    assert worry({"estimated_dice": 0.9, "distance": 1.0}) == pytest.approx(0.1)
    known = {"estimated_dice": 0.9, "disagreement": 0.3, "distance": 1.5}
    assert worry(known) == pytest.approx(0.1 + 0.3 + 0.5)
    assert worry({"estimated_dice": None}) == 1


def test_failed_ones_and_notes_come_first_and_then_the_worries():
    failed = VolumeEntry(name="failed", state="failed", key="")
    found = worst_first(
        [
            entry("fine"),
            entry("differs", disagreement=0.4),
            entry("far", distance=1.7),
            entry("noted", note="upside down"),
            failed,
        ]
    )
    assert [e.name for e in found] == ["failed", "noted", "far", "differs", "fine"]


@pytest.fixture
def batch(tmp_path) -> Path:
    """A batch of three volumes, of which b is the worst, and of one that failed."""
    grey = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    for place, name in enumerate("abcd"):
        like = Volume(grey[None], (1, 1, 1), "um")
        write_image(tmp_path / "in" / f"{name}.tif", grey + np.uint8(place), like=like)
    out = tmp_path / "out"
    settings = BatchSettings(
        model="m.safetensors", folder=str(tmp_path / "in"), output=str(out)
    )
    (out / STATE_FOLDER).mkdir(parents=True)
    (out / STATE_FOLDER / SETTINGS).write_text(json.dumps(settings.to_json()))
    manifest = Manifest(out)
    for name, estimate in (("a.tif", 0.8), ("b.tif", 0.2), ("c.tif", 0.9)):
        manifest.add(entry(name, estimate))
    manifest.add(VolumeEntry(name="d.tif", state="failed", key="", error="cut short"))
    return out


def test_the_worst_images_are_named_in_the_order_of_the_report(batch):
    assert [path.name for path in worst_images(batch, 2)] == ["b.tif", "a.tif"]
    (batch / "report.html").write_text("x")
    assert len(worst_images(batch / "report.html", 9)) == 3


def test_the_worst_images_are_found_from_any_folder(batch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = BatchSettings(model="m.safetensors", folder="in", output="out")
    written = json.dumps(settings.absolute().to_json())
    (batch / STATE_FOLDER / SETTINGS).write_text(written)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [path.name for path in worst_images(batch, 1)] == ["b.tif"]


def test_settings_that_are_no_text_are_refused(batch):
    settings = {"model": "m", "folder": "in", "output": "out", "memory": 4}
    (batch / STATE_FOLDER / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"wrong settings \(memory is 4 and no text\)"):
        worst_images(batch, 1)


def test_the_worst_go_into_a_project(batch, tmp_path, capsys):
    home = tmp_path / "project"
    assert main(["project", "new", str(home)]) == 0
    assert main(["project", "add", str(home), str(batch), "--worst", "2"]) == 0
    with Project(home, read_only=True) as project:
        assert sorted(v["name"] for v in project.info()["volumes"]) == ["a", "b"]


def test_what_is_no_batch_and_numbers_that_are_none(batch, tmp_path):
    with pytest.raises(UserError, match="1 or more, got 0"):
        worst_images(batch, 0)
    with pytest.raises(UserError, match="holds no batch"):
        worst_images(tmp_path / "in", 1)
    code = main(["project", "add", str(tmp_path), "a", "b", "--worst", "1"])
    assert code != 0


def test_a_series_is_predicted_point_by_point(tmp_path, monkeypatch):
    shrink(monkeypatch)
    fit([blob_case()], device="cpu", steps=2).save(tmp_path / "m.safetensors")
    grey = blobs(SHAPE).volume.array[0]
    movie = np.stack([grey, grey[:, ::-1]])
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "m.ome.tif", movie, metadata={"axes": "TZYX"})
    given = [str(tmp_path / name) for name in ("m.safetensors", "in")]
    assert main(["batch", *given, "-o", str(tmp_path / "out"), "--times"]) == 0
    written = sorted(path.name for path in (tmp_path / "out").glob("*.tif"))
    assert written == ["m.ome-t0.tif", "m.ome-t1.tif"]
    first = read_dense(tmp_path / "out" / "m.ome-t0.tif")
    assert first.shape == SHAPE
