"""A batch goes on after failures, skips what is done, and survives being killed."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sparseseg.batch.facts import scores_of
from sparseseg.batch.items import Item, find_items
from sparseseg.batch.manifest import Manifest
from sparseseg.batch.run import run
from sparseseg.batch.settings import BatchSettings
from sparseseg.batch.volume import Report
from sparseseg.cli.batch import _tell
from sparseseg.cli.main import main
from sparseseg.data.files import read, write_image, write_labels
from sparseseg.data.formats import nifti
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.evaluation import evaluate
from sparseseg.models.readers import read_model
from sparseseg.reporting.entry import VolumeEntry
from tests.models.paths import FIXTURES, V2, image


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with two volumes and a damaged one between them."""
    inside = tmp_path / "in"
    inside.mkdir()
    for name, number in (("a", 0), ("c", 1)):
        (inside / f"{name}.nii.gz").write_bytes(image(number).read_bytes())
    (inside / "b.nii.gz").write_bytes(image(0).read_bytes()[:9000])
    return inside


def batch(folder: Path, **changed) -> BatchSettings:
    given = {
        "model": str(V2),
        "folder": str(folder),
        "output": str(folder.parent / "out"),
        "options": {"mirror": "false"},
        "device": "cpu",
    }
    return BatchSettings(**{**given, **changed})


def went(settings: BatchSettings) -> dict[str, VolumeEntry]:
    reports = list(run(read_model(V2), find_items(settings), settings))
    return {r.item.name: r.entry for r in reports if r.entry is not None}


def states(settings: BatchSettings) -> list[str]:
    return [entry.state for entry in went(settings).values()]


@pytest.mark.slow
def test_a_damaged_volume_is_told_and_the_rest_goes_on(folder):
    found = went(batch(folder))
    assert [entry.state for entry in found.values()] == ["done", "failed", "done"]
    assert (
        "b.nii.gz" in found["b.nii.gz"].error or "cut short" in found["b.nii.gz"].error
    )
    out = folder.parent / "out"
    expected = np.load(FIXTURES / "nnunet_v2.npz")
    for name, number in (("a", 0), ("c", 1)):
        labels = read(out / f"{name}.nii.gz").array[0]
        assert np.array_equal(labels, expected[f"test_0{number}.seg"])
    assert not (out / "b.nii.gz").exists()


def test_what_is_known_of_a_volume_is_in_physical_units(folder):
    facts = went(batch(folder))["c.nii.gz"].facts
    volume = read(folder / "c.nii.gz")
    labels = read(folder.parent / "out" / "c.nii.gz").array[0]
    liver = facts["classes"]["1"]
    assert liver["name"] == "liver"
    assert liver["voxels"] == np.count_nonzero(labels == 1)
    assert liver["volume"] == pytest.approx(
        liver["voxels"] * np.prod(volume.spacing), rel=1e-6
    )
    assert 0 < liver["estimated_dice"] < 1
    assert facts["estimate"] is None
    assert "no slice of this volume is annotated" in facts["reason"]
    assert facts["is_calibrated"] is False
    assert facts["thumbnail"].startswith("data:image/png;base64,")


def test_what_is_done_and_unchanged_is_skipped_and_what_failed_is_retried(folder):
    went(batch(folder))
    assert states(batch(folder)) == ["skipped", "failed", "skipped"]
    (folder / "b.nii.gz").write_bytes(image(0).read_bytes())
    assert states(batch(folder)) == ["skipped", "done", "skipped"]


@pytest.mark.slow
def test_a_changed_volume_setting_or_lost_prediction_is_done_anew(folder):
    (folder / "b.nii.gz").unlink()
    went(batch(folder))
    (folder / "a.nii.gz").write_bytes(image(1).read_bytes())
    assert states(batch(folder)) == ["done", "skipped"]
    (folder.parent / "out" / "c.nii.gz").unlink()
    assert states(batch(folder)) == ["skipped", "done"]
    assert states(batch(folder, clean=("keep 1 largest of liver",))) == [
        "done",
        "done",
    ]
    assert states(batch(folder, resume=False)) == ["done", "done"]


def test_truths_give_scores(folder):
    truth = np.load(FIXTURES / "nnunet_v2.npz")["test_00.seg.tta"]
    like = read(folder / "a.nii.gz")
    write_labels(folder.parent / "truth" / "a.nii.gz", truth, like=like)
    found = went(batch(folder, truth=str(folder.parent / "truth")))
    labels = read(folder.parent / "out" / "a.nii.gz").array[0]
    expected = evaluate(labels, truth, spacing=like.spacing)
    scores = found["a.nii.gz"].facts["scores"]
    assert scores["mean_dice"] == pytest.approx(expected["mean_dice"])
    assert scores["dice"]["1"] == pytest.approx(expected["dice"][1])
    assert "scores" not in found["c.nii.gz"].facts


def test_what_is_found_where_the_truth_has_no_such_class_counts_against_it(tmp_path):
    labels, truth = np.zeros((2, 4, 4, 4), np.uint8)
    labels[0], labels[1], truth[1] = 2, 1, 1
    like = Volume.from_array(truth)
    write_labels(tmp_path / "truth.tif", truth, like=like)
    item = Item("a", tmp_path / "a.tif", tmp_path / "p.tif", tmp_path / "truth.tif")
    counts = scores_of(labels, like, item)["scores"]["counts"]
    assert counts == {"1": [16, 16, 16], "2": [0, 16, 0]}


def test_a_truth_that_comes_later_only_scores_what_is_predicted(folder):
    (folder / "b.nii.gz").unlink()
    like = read(folder / "a.nii.gz")
    before = went(batch(folder))
    place = folder.parent / "out" / "a.nii.gz"
    first = place.stat().st_mtime_ns
    truth = read(place).array[0].astype(np.uint8)
    write_labels(folder.parent / "truth" / "a.nii.gz", truth, like=like)

    scored = went(batch(folder, truth=str(folder.parent / "truth")))

    assert place.stat().st_mtime_ns == first
    assert [entry.state for entry in scored.values()] == ["done", "skipped"]
    facts = scored["a.nii.gz"].facts
    assert facts["scores"]["mean_dice"] == 1
    assert facts["classes"] == before["a.nii.gz"].facts["classes"]
    again = batch(folder, truth=str(folder.parent / "truth"))
    assert states(again) == ["skipped", "skipped"]
    without = went(batch(folder))["a.nii.gz"]
    assert without.facts.keys() == before["a.nii.gz"].facts.keys()


def test_uncertainty_is_written_beside(folder):
    went(batch(folder, uncertainty=True))
    found = read(folder.parent / "out" / "a-uncertainty.nii.gz")
    assert found.array.dtype == np.float32
    assert 0.05 < found.array.max() <= 1


def test_what_a_killed_worker_had_begun_to_write_goes_at_the_end(folder):
    out = folder.parent / "out"
    settings = batch(folder)
    work = run(read_model(V2), find_items(settings), settings)
    next(work)
    begun = [out / ".4711.a.nii.gz", out / ".4711.a-uncertainty.nii.gz"]
    own = out / ".before.a.nii.gz"  # of the user
    for path in (*begun, own):
        path.write_bytes(b"half")

    list(work)

    assert not any(path.exists() for path in begun)
    assert own.exists()


def test_a_volume_far_from_the_models_voxels_is_noted(tmp_path):
    values = np.random.default_rng(0).normal(100, 50, (1, 12, 20, 20))
    volume = Volume(values.astype(np.float32), (8.0, 1.0, 1.0), "mm")
    write_image(tmp_path / "in" / "a.nii.gz", volume.array, like=volume)
    settings = batch(tmp_path / "in")
    reports = list(run(read_model(V2), find_items(settings), settings))
    (note,) = {report.note for report in reports if report.note}
    assert "voxels of 8 x 1 x 1 mm" in note
    assert "trained on voxels of 2 x 1 x 1 mm" in note


def test_a_note_of_the_command_names_its_volume_once(folder, capsys):
    item = find_items(batch(folder))[0]
    for words in ("a.nii.gz has no voxel size", "it has no class"):
        _tell(Report(item, "running", 1.0, 0.0, None, note=words), 1, lines=False)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(": a.nii.gz has no voxel size")
    assert first.count("a.nii.gz") == 1
    assert second.endswith(": a.nii.gz: it has no class")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_predicted_around(tmp_path, value):
    volume = read(image(0))
    array = volume.array.astype(np.float32)
    array[0, 3, 5:9] = value
    write_image(tmp_path / "in" / "a.nii.gz", array, like=volume)
    assert states(batch(tmp_path / "in")) == ["done"]


def test_other_channels_and_a_flat_picture_fail_with_a_sentence(tmp_path):
    import tifffile

    two = Volume(np.zeros((2, 12, 20, 20), np.float32), (2.0, 1.0, 1.0), "mm")
    write_image(tmp_path / "in" / "a.nii.gz", two.array, like=two)
    tifffile.imwrite(tmp_path / "in" / "b.tif", np.zeros((20, 20), np.uint8))
    found = went(batch(tmp_path / "in"))
    assert "trained on 1 channel(s)" in found["a.nii.gz"].error
    assert "2-D picture" in found["b.tif"].error


def test_a_full_disk_ends_the_batch_and_leaves_nothing_half_written(
    folder, monkeypatch
):
    def full(path, *_args, **_options):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    from sparseseg.data import files

    broken = replace(nifti.FORMAT, write=full)
    monkeypatch.setattr(files, "named", lambda _path: broken)
    settings = batch(folder)
    with pytest.raises(
        UserError, match=r"disk is full: a.nii.gz .* run the same batch"
    ):
        list(run(read_model(V2), find_items(settings), settings))
    out = folder.parent / "out"
    assert [p.name for p in out.iterdir()] == [".sparseseg"]
    monkeypatch.undo()
    assert states(settings) == ["done", "failed", "done"]


@pytest.mark.slow
def test_a_large_volume_is_predicted_as_a_small_one(folder, monkeypatch):
    (folder / "b.nii.gz").unlink()
    went(batch(folder, uncertainty=True))
    out = folder.parent / "out"
    names = ("a.nii.gz", "a-uncertainty.nii.gz")
    expected = [read(out / name).array for name in names]
    # As if the memory held a hundred bytes of a volume.
    for name in ("volume", "scratch"):
        monkeypatch.setattr(f"sparseseg.batch.{name}.VOLUME_SHARE", 1e-7)
    settings = batch(folder, uncertainty=True, resume=False)
    assert states(settings) == ["done", "done"]
    labels, uncertainty = (read(out / name).array for name in names)
    assert np.array_equal(labels, expected[0])
    np.testing.assert_allclose(uncertainty, expected[1], atol=1.01 / 255)
    assert not list(out.glob(".*.part"))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="cannot ask for room")
def test_a_disk_without_room_for_the_arrays_ends_the_batch(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for name in ("volume", "scratch"):
        monkeypatch.setattr(f"sparseseg.batch.{name}.VOLUME_SHARE", 1e-7)
    settings = batch(folder)
    with pytest.raises(UserError, match=r"disk is full: a.nii.gz"):
        list(run(read_model(V2), find_items(settings), settings))
    assert not list((folder.parent / "out").glob(".*.part"))


def test_a_torn_line_of_the_manifest_costs_one_volume(folder):
    went(batch(folder))
    manifest = folder.parent / "out" / ".sparseseg" / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-40])
    assert states(batch(folder)) == ["skipped", "failed", "done"]
    assert states(batch(folder)) == ["skipped", "failed", "skipped"]


def test_lines_of_the_manifest_hold_the_latest(tmp_path):
    (tmp_path / ".sparseseg").mkdir()
    manifest = Manifest(tmp_path)
    manifest.add(VolumeEntry(name="a", state="failed", key="", error="broken"))
    manifest.add(VolumeEntry(name="a", state="done", key="k", facts={}))
    assert Manifest(tmp_path).get("a").state == "done"


def test_any_name_that_a_disk_may_hold_comes_back_from_the_manifest(tmp_path):
    (tmp_path / ".sparseseg").mkdir()
    names = ["Präparat\u2028eins\x85.tif", os.fsdecode(b"M\xfcller.tif")]
    manifest = Manifest(tmp_path)
    for name in names:
        manifest.add(VolumeEntry(name=name, state="done", key="k", facts={}))
    again = Manifest(tmp_path)
    assert [again.get(name).state for name in names] == ["done", "done"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_no_text_is_predicted_like_any_other(folder, capfd):
    (folder / "b.nii.gz").unlink()
    (folder / "c.nii.gz").rename(folder / os.fsdecode(b"c\xfc.nii.gz"))
    given = ["batch", str(V2), str(folder), "-o", str(folder.parent / "out")]
    assert main([*given, "--option", "mirror=false", "--device", "cpu"]) == 0
    assert (folder.parent / "out" / os.fsdecode(b"c\xfc.nii.gz")).is_file()
    assert "c\\udcfc.nii.gz" in (folder.parent / "out" / "report.html").read_text()


def killed_within(words, wanted, environment) -> None:
    """Run a batch, and kill it in the midst of its volume of this number."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        done, deadline = 0, time.monotonic() + 60
        while time.monotonic() < deadline and (line := process.stdout.readline()):
            event = json.loads(line)
            done += event["state"] in ("done", "skipped")
            if done == wanted - 1 and event["state"] == "running" and event["done"]:
                break
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_batch_that_is_killed_again_and_again_comes_to_the_same_end(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    for number in range(4):
        (inside / f"{number}.nii.gz").write_bytes(image(number % 2).read_bytes())
    words = [sys.executable, "-m", "sparseseg", "batch", str(V2), str(inside)]
    words += ["-o", str(tmp_path / "out"), "--option", "mirror=false", "--lines"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for wanted in (1, 2, 3):
        killed_within(words, wanted, environment)
        assert (tmp_path / "out" / ".sparseseg" / "settings.json").is_file()
        for path in (tmp_path / "out").glob("*.nii.gz"):
            read(path)
    found = subprocess.run(
        [*words[:-1], "--json"], capture_output=True, check=True, env=environment
    )
    answer = json.loads(found.stdout.splitlines()[-1])
    assert answer["skipped"] >= 1
    assert answer["done"] + answer["skipped"] == 4
    expected = np.load(FIXTURES / "nnunet_v2.npz")
    for number in range(4):
        labels = read(tmp_path / "out" / f"{number}.nii.gz").array[0]
        assert np.array_equal(labels, expected[f"test_0{number % 2}.seg"])
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left == {
        *(f"{number}.nii.gz" for number in range(4)),
        ".sparseseg",
        "report.html",
        "report.csv",
    }


def test_a_wrong_rule_is_said_before_anything_is_predicted(folder):
    settings = batch(folder, clean=("keep 1 largest of spleen",))
    with pytest.raises(UserError, match="spleen"):
        list(run(read_model(V2), find_items(settings), settings))


def test_a_truth_that_cannot_be_compared_is_told(folder):
    like = read(folder / "a.nii.gz")
    moved = like.affine.copy()
    moved[:3, 3] += 50
    truth = np.ones(like.shape, np.uint8)
    place = folder.parent / "truth" / "a.nii.gz"
    write_labels(place, truth, like=replace(like, affine=moved, header=b""))
    settings = batch(folder, truth=str(place.parent))
    reports = list(run(read_model(V2), find_items(settings), settings))
    notes = [report.note for report in reports if report.item.name == "a.nii.gz"]
    assert any("lies elsewhere in space" in note for note in notes)


@pytest.mark.slow
def test_what_ended_a_batch_is_told_although_its_report_cannot_be_written(
    folder, monkeypatch, capsys
):
    (folder / "b.nii.gz").unlink()

    def full(self, entry):
        if len(self.entries):
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(self, entry)

    def no_room(*_arguments, **_named):
        raise UserError("cannot write report.html")

    keep = Manifest.add
    monkeypatch.setattr(Manifest, "add", full)
    monkeypatch.setattr("sparseseg.reporting.report.write_report", no_room)
    out = str(folder.parent / "out")
    code = main(["batch", str(V2), str(folder), "-o", out, "--option", "mirror=false"])
    assert code == 2
    told = capsys.readouterr().err
    assert "run the same batch again, it continues from there" in told
    assert "report.html" not in told


def test_a_disk_that_is_full_after_the_prediction_ends_the_batch(folder, monkeypatch):
    def full(_self, _entry):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Manifest, "add", full)
    settings = batch(folder)
    with pytest.raises(UserError, match=r"a\.nii\.gz cannot be noted .* same batch"):
        list(run(read_model(V2), find_items(settings), settings))
