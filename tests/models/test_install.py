"""From a server or a folder into the store, and from there by its id."""

import hashlib
import io
import math
import shutil
import zipfile
from dataclasses import replace

import filelock
import pytest

from sparseseg.errors import UserError
from sparseseg.models.install import import_file, install, verify
from sparseseg.models.opening import open_model
from sparseseg.models.store import download, remote_zip
from sparseseg.models.store.entries import File, Licence, ModelEntry
from sparseseg.models.store.folder import (
    path_of,
    read_stored,
    remove,
    store_folder,
    stored,
)
from tests.miniature import blob_case, fresh_model
from tests.models.paths import MLPERF, V1, V2
from tests.models.store.server import serving


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def site():
    with serving() as found:
        yield found


def zipped(folder, above: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{above}/{path.relative_to(folder)}")
    return buffer.getvalue()


def entry(site, name: str, **changed) -> ModelEntry:
    file = File(url=f"{site.url}/{name}", members=changed.pop("members", ()))
    return ModelEntry(
        id="a-model",
        title="A model",
        organ=("liver",),
        modality="CT",
        classes={1: "liver", 2: "liver tumour"},
        spacing=None,
        files=(file,),
        licence=Licence(weights="CC BY-NC 4.0", data="?", commercial="no"),
        citation=("somebody",),
        **changed,
    )


def test_a_checkpoint_is_fetched_kept_as_ours_and_opened_by_its_id(site):
    site.files["tiny.pth"] = MLPERF.read_bytes()
    told = list(install(entry(site, "tiny.pth", format="mlperf-kits19")))
    assert told[-1].done == MLPERF.stat().st_size
    model = open_model("a-model")
    assert model.table.names == ("liver", "liver tumour")
    derived = model.history["derived_from"]
    assert derived["licence"]["commercial"] == "no"
    assert (
        derived["files"]["tiny.pth"]["sha256"]
        == hashlib.sha256(MLPERF.read_bytes()).hexdigest()
    )
    assert [p.name for p in store_folder().iterdir() if not p.name.startswith(".")] == [
        "a-model.safetensors"
    ]
    assert list((store_folder() / ".incoming").iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_one_fold_of_an_archive_is_fetched_and_if_it_must_be_all(site, ranges):
    site.ranges = ranges
    above = "nnUNet/3d_fullres/Task529_TinyLiTS/nnUNetTrainerV2__nnUNetPlansv2.1"
    site.files["task.zip"] = zipped(V1, above)
    wanted = entry(
        site,
        "task.zip",
        format="nnunet-v1",
        configuration="3d_fullres",
        folds=("fold_1",),
        members=("3d_fullres/*/plans.pkl", "/fold_1/model_final_checkpoint.model*"),
    )
    list(install(wanted))
    model = open_model("a-model")
    assert model.history["trained"]["folds"] == 1
    assert model.table.names == ("liver", "liver tumour")
    moved = site.sent / len(site.files["task.zip"])
    assert moved < 0.8 if ranges else moved >= 1.0


def test_an_archive_whose_parts_end_midway_is_fetched_whole(site, monkeypatch):
    monkeypatch.setattr(remote_zip, "BLOCK", 4096)
    site.files["task.zip"] = zipped(V2, "Dataset501_TinyLiTS")

    def end_parts():
        site.ranges = len(site.asked) < 6

    site.after = end_parts
    wanted = entry(
        site, "task.zip", format="nnunet-v2", members=(".json", "checkpoint_final.pth")
    )
    told = list(install(wanted))
    assert told[0].total != told[-1].total == len(site.files["task.zip"])
    assert verify("a-model").table.names == ("liver", "tumor")
    assert list((store_folder() / ".incoming").iterdir()) == []


def test_the_first_download_pins_the_file(site):
    site.files["tiny.pth"] = MLPERF.read_bytes()
    wanted = entry(site, "tiny.pth", format="mlperf-kits19")
    list(install(wanted))
    site.files["tiny.pth"], site.tag = MLPERF.read_bytes() + b"more", '"two"'
    with pytest.raises(UserError, match="but the list says"):
        list(install(wanted))
    assert verify("a-model").parameters == 26_859


@pytest.mark.parametrize("is_here", [True, False])
def test_what_is_left_of_a_download_is_removed_with_its_model(site, is_here):
    content = MLPERF.read_bytes()
    site.files["tiny.pth"] = content
    coming = install(entry(site, "tiny.pth"))
    next(coming)
    coming.close()
    if is_here:
        import_file(MLPERF, "a-model")
    rest = [p for p in (store_folder() / ".incoming").rglob("*") if p.is_file()]
    assert {p.name for p in rest} == {"tiny.pth.part", "tiny.pth.part.json"}
    bytes_there = sum(p.stat().st_size for p in (*rest, *store_folder().glob("*.saf*")))
    assert remove("a-model") == bytes_there
    assert list((store_folder() / ".incoming").iterdir()) == []
    assert stored() == []


def test_nothing_is_removed_while_it_is_fetched(site):
    site.files["tiny.pth"] = MLPERF.read_bytes()
    coming = install(entry(site, "tiny.pth", format="mlperf-kits19"))
    next(coming)
    with pytest.raises(UserError, match="another process is fetching a-model"):
        remove("a-model")
    list(coming)
    assert verify("a-model").parameters == 26_859


def test_a_hostile_download_leaves_the_store_as_it_was(site, tmp_path):
    site.files["tiny.pth"] = b"no checkpoint"
    with pytest.raises(UserError, match="damaged, cut short or no checkpoint"):
        list(install(entry(site, "tiny.pth")))
    assert stored() == []
    assert list((store_folder() / ".incoming").iterdir()) == []


def test_two_processes_do_not_fetch_the_same_model(site):
    site.files["tiny.pth"] = MLPERF.read_bytes()
    store_folder().mkdir(parents=True)
    with (
        filelock.FileLock(store_folder() / ".a-model.lock"),
        pytest.raises(UserError, match="another process is fetching a-model"),
    ):
        list(install(entry(site, "tiny.pth")))


def test_a_folder_fetched_by_hand_is_imported_listed_and_removed():
    import_file(V2, "mine")
    found = stored()
    assert [model.id for model in found] == ["mine"]
    assert found[0].classes == {1: "liver", 2: "tumor"}
    assert remove("mine") > 0
    assert stored() == []
    with pytest.raises(UserError, match="'mine' is not in the store"):
        remove("mine")


def test_a_file_fetched_by_hand_has_to_be_the_known_one(site):
    known = entry(site, MLPERF.name)
    wrong = replace(known, files=(replace(known.files[0], md5="0" * 32),))
    with pytest.raises(UserError, match=r"but the list says .*: it is another file"):
        import_file(MLPERF, "a-model", wrong)
    right = hashlib.md5(MLPERF.read_bytes()).hexdigest()
    import_file(
        MLPERF, "a-model", replace(known, files=(replace(known.files[0], md5=right),))
    )
    assert read_stored(path_of("a-model")).history["derived_from"]["id"] == "a-model"


def test_a_damaged_stored_model_is_listed_and_found_out():
    import_file(MLPERF, "mine")
    whole = path_of("mine").read_bytes()
    path_of("mine").write_bytes(whole[: len(whole) // 2])
    assert [model.is_whole for model in stored()] == [False]
    with pytest.raises(UserError, match="not a readable model"):
        verify("mine")


def test_a_healthy_model_of_ours_is_whole_and_one_without_numbers_is_not(tmp_path):
    model = fresh_model(blob_case())
    model.save(tmp_path / "ours.safetensors")
    import_file(tmp_path / "ours.safetensors", "ours")
    assert verify("ours").table == model.table
    next(model.network.parameters()).data.fill_(math.inf)
    model.save(tmp_path / "ours.safetensors")
    import_file(tmp_path / "ours.safetensors", "ours")
    with pytest.raises(UserError, match="the model ours is damaged"):
        verify("ours")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "kits19-mlperf",
            "not here yet: run `sparseseg models download kits19-mlperf`",
        ),
        ("nothing", "no file and no model 'nothing'"),
        ("a/b.safetensors", "check the path"),
    ],
)
def test_what_cannot_be_opened_is_said_with_the_mend(name, words):
    with pytest.raises(UserError, match=words):
        open_model(name)


def test_a_training_that_has_not_ended_is_told_with_the_file_that_is_there(tmp_path):
    folder = tmp_path / "Dataset001_X" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(V2, folder)
    for checkpoint in folder.rglob("checkpoint_final.pth"):
        checkpoint.rename(checkpoint.with_name("checkpoint_best.pth"))
    with pytest.raises(
        UserError,
        match=r"checkpoint_final.pth is missing, checkpoint_best.pth is there",
    ):
        open_model(str(folder))
