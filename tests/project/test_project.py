"""A project opens again as it was, finds its images, and is open in one process only."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sparseseg.classes import ClassTable
from sparseseg.data.files import read, write_image, write_labels
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.project import record
from sparseseg.project.content import Content
from sparseseg.project.lock import NAME as LOCK
from sparseseg.project.project import Project
from sparseseg.project.record import Record, VolumeRecord
from tests.data.dicom_files import VOXELS, save, slices


def test_a_project_opens_again_as_it_was(project, sample):
    table = sample.table.renamed(1, "nucleus")
    project.keep(classes=table, rules=("keep 1 largest of 1",), view={"axis": 2})
    project.close()
    with Project(project.folder) as again:
        assert again.classes == table
        assert again.rules == ("keep 1 largest of 1",)
        assert again.view == {"axis": 2}
        assert (again.annotation("cells") == sample.annotation).all()
        volume = again.volume("cells")
        assert (volume.array == sample.volume.array.astype(np.float32)).all()
        assert volume.spacing == pytest.approx(sample.volume.spacing)


def test_what_a_killed_process_was_writing_is_no_model(project):
    unfinished = project.folder / "models" / ".4321.model-001.safetensors"
    unfinished.parent.mkdir(exist_ok=True)
    save_file({}, unfinished, metadata={"sparseseg": '{"plan": {"recipe": "unet"}}'})
    assert project.models == ()
    project.close()

    with Project(project.folder, read_only=True):
        assert unfinished.exists()
    with Project(project.folder):
        assert not unfinished.exists()


def test_the_path_of_an_image_is_relative_so_that_both_can_move(project, files):
    project.close()
    home = project.folder.parent
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for folder in (project.folder, files):
        folder.rename(elsewhere / folder.name)
    with Project(elsewhere / project.folder.name) as moved:
        assert moved.locate("cells").state == "here"


def test_a_renamed_image_is_found_by_its_content(project, files):
    (files / "cells.tif").rename(files / "other name.tif")
    assert project.locate("cells").state == "moved"
    with pytest.warns(Note, match="'cells' was moved"):
        project.volume("cells")
    assert project.locate("cells").state == "here"


def test_an_image_that_was_moved_is_found_round_the_project(project, files):
    place = project.folder.parent / "deep" / "er"
    place.mkdir(parents=True)
    (files / "cells.tif").rename(place / "a.tif")
    assert project.locate("cells").path == place / "a.tif"


def test_an_image_that_is_gone_is_named_and_its_annotation_stays(
    project, files, sample
):
    (files / "cells.tif").unlink()
    with pytest.raises(UserError, match="the image of 'cells' is gone"):
        project.volume("cells")
    assert (project.annotation("cells") == sample.annotation).all()
    assert project.info()["volumes"][0]["state"] == "gone"


def test_a_changed_image_is_named(project, files, sample):
    volume = sample.volume
    write_image(files / "cells.tif", volume.array.astype(np.float32) + 1, like=volume)
    with pytest.warns(Note, match="'cells' has changed"):
        project.volume("cells")
    other = Volume.from_array(np.ones((3, 4, 5), np.float32))
    write_image(files / "cells.tif", other.array, like=other)
    with pytest.raises(
        UserError, match=r"'cells' has changed.*put the image of before"
    ):
        project.volume("cells")


def test_a_touched_image_that_is_the_same_is_not_called_changed(project, files):
    os.utime(files / "cells.tif", (1, 1))
    assert project.locate("cells").state == "here"


def test_a_touched_image_is_read_once_to_see_that_it_is_the_same(
    project, files, monkeypatch
):
    os.utime(files / "cells.tif", (1, 1))
    project.volume("cells")
    monkeypatch.delattr(Content, "of")
    assert project.locate("cells").state == "here"


@pytest.mark.parametrize("way", ["written", "removed"])
def test_a_folder_in_which_a_file_changed_is_named(project, files, sample, way):
    write_image(files / "more.zarr", sample.volume.array + 1, like=sample.volume)
    project.add(files / "more.zarr")
    chunk = max(
        (path for path in (files / "more.zarr").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    if way == "written":
        chunk.write_bytes(chunk.read_bytes()[::-1])
    else:
        chunk.unlink()
    assert project.locate("more").state == "changed"


def test_a_copied_image_lives_in_the_project(files, tmp_path):
    with Project.new(tmp_path / "own") as project:
        project.add(files / "cells.tif", copy=True)
        (files / "cells.tif").unlink()
        assert project.locate("cells").path.parent == (tmp_path / "own" / "volumes")
        assert project.volume("cells").shape == project.volumes[0].shape


def add(project: Project, volume: Volume, copied: Path | None) -> VolumeRecord:
    """Put an image into a project, as it is in memory or as a copy of a new file."""
    if copied is None:
        return project.add_volume(volume)
    write_image(copied, volume.array, like=volume)
    return project.add(copied, copy=True)


@pytest.mark.parametrize("is_copied", [True, False])
def test_an_image_that_was_put_into_the_project_by_hand_is_not_replaced(
    project, files, sample, is_copied
):
    mine = project.folder / "volumes" / "more.tif"
    mine.parent.mkdir()
    mine.write_bytes(b"by hand")
    volume = Volume.from_array(sample.volume.array[0] + 1, name="more")
    added = add(project, volume, files / "more.tif" if is_copied else None)
    assert added.name == "more-2"
    assert mine.read_bytes() == b"by hand"


def test_an_image_is_not_copied_where_its_classes_have_other_names(
    project, files, sample
):
    write_image(files / "more.zarr", sample.volume.array + 1, like=sample.volume)
    other = sample.table.renamed(1, "something else")
    for name, table in {"wrong.tif": other, "right.tif": sample.table}.items():
        write_labels(files / name, sample.annotation, like=sample.volume, table=table)
    with pytest.raises(UserError, match="class 1 is 'something else'"):
        project.add(files / "more.zarr", annotation=files / "wrong.tif", copy=True)
    assert not (project.folder / "volumes").exists()
    added = project.add(files / "more.zarr", annotation=files / "right.tif", copy=True)
    assert added.name == "more"


def test_a_copy_that_fails_half_way_leaves_nothing(project, files, monkeypatch):
    def fail(_image: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(errno.EIO, "it broke")

    (files / "b.tif").write_bytes((files / "cells.tif").read_bytes() + b"\0")
    monkeypatch.setattr(shutil, "copy2", fail)
    with pytest.raises(UserError, match=r"cannot copy .* \(it broke\)"):
        project.add(files / "b.tif", copy=True)
    assert list((project.folder / "volumes").iterdir()) == []


@pytest.mark.parametrize("is_copied", [True, False])
def test_an_image_leaves_the_project_where_adding_it_fails(
    project, files, sample, monkeypatch, is_copied
):
    volume = Volume.from_array(sample.volume.array[0] + 1, name="more")
    copy = files / "more.tif" if is_copied else None
    monkeypatch.setattr(Record, "write", _killed)
    with pytest.raises(KeyboardInterrupt):
        add(project, volume, copy)
    assert list((project.folder / "volumes").iterdir()) == []


def test_an_image_is_added_once(project, files):
    with pytest.raises(UserError, match="is in the project already, as 'cells'"):
        project.add(files / "cells.tif")


def test_an_annotation_of_an_image_that_is_there_is_one_step_of_its_journal(
    project, files, sample
):
    project.lock_slice("cells", (0, 0))
    before = project.annotation("cells")
    other = np.full_like(before, 2)
    write_labels(files / "new.tif", other, like=sample.volume, table=sample.table)

    with pytest.warns(Note, match="voxels of 'cells' stay as they were: .*lock"):
        project.add(files / "cells.tif", annotation=files / "new.tif")

    assert len(project.volumes) == 1
    after = project.annotation("cells")
    assert (after[0] == before[0]).all()
    assert (after[1:] == 2).all()
    project.journal.undo()
    assert (project.annotation("cells") == before).all()


def test_a_volume_without_a_file_is_written_into_the_project(project, sample):
    volume = Volume.from_array(
        sample.volume.array[0] + 1, spacing=(2.0, 0.5, 0.5), unit="um", name="cells"
    )
    added = project.add_volume(volume, SparseLabels(sample.annotation))
    assert added.name == "cells-2"
    again = project.volume("cells-2")
    assert (again.array == volume.array).all()
    assert (again.spacing, again.unit) == (volume.spacing, "um")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("my cells (2)", "my cells (2)"),
        ("Image:0 :: cells", "Image-0-cells"),
        ("???", "volume"),
        ("a" * 200, "a" * 90),
        ("", "volume"),
    ],
)
def test_a_name_that_no_volume_can_have_is_made_plain(project, sample, given, name):
    volume = Volume.from_array(sample.volume.array[0] + 1, name=given)
    assert project.add_volume(volume).name == name


def test_one_number_has_one_name_in_all_annotations(project, files, sample):
    image = sample.volume.array.astype(np.float32) + 1
    write_image(files / "more.tif", image, like=sample.volume)
    other = sample.table.renamed(1, "something else")
    write_labels(files / "m.tif", sample.annotation, like=sample.volume, table=other)
    with pytest.raises(UserError, match="class 1 is 'something else'"):
        project.add(files / "more.tif", annotation=files / "m.tif")
    assert len(project.volumes) == 1


def test_only_annotated_volumes_are_trained_on(project, files, sample):
    image = sample.volume.array.astype(np.float32) + 1
    write_image(files / "more.tif", image, like=sample.volume)
    project.add(files / "more.tif")
    ((volume, labels),) = project.cases()
    assert volume.name == "cells"
    assert labels.table == project.classes
    with pytest.raises(UserError, match=r"no volume .* is annotated"):
        project.cases(["more"])
    with pytest.raises(UserError, match="no volume 'heart'; its volumes: cells, more"):
        project.cases(["heart"])


def test_a_second_process_is_told_who_has_it_open(project):
    code = "import sys, sparseseg; sparseseg.Project(sys.argv[1])"
    command = [sys.executable, "-c", code, str(project.folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"(process {os.getpid()}, since" in answer.stderr
    with Project(project.folder, read_only=True) as reader:
        assert reader.volumes == project.volumes


def test_the_lock_of_a_process_that_has_ended_is_taken_over(project):
    project.close()
    code = "import os, sys, sparseseg; p = sparseseg.Project(sys.argv[1]); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(project.folder)], check=True)
    assert (project.folder / LOCK).exists()
    with pytest.warns(Note, match="the lock was taken over"):
        Project(project.folder).close()
    assert not (project.folder / LOCK).exists()


def test_the_lock_of_another_machine_is_not_taken_over(project):
    path = project.folder / LOCK
    held = json.loads(path.read_text()) | {"host": "far-away", "pid": 2**30}
    project.close()
    path.write_text(json.dumps(held))
    with pytest.raises(UserError, match=r"on far-away .*or delete"):
        Project(project.folder)


def test_a_lock_that_another_one_took_over_is_left_alone(project):
    (project.folder / LOCK).unlink()
    with Project(project.folder):
        project.close()
        assert (project.folder / LOCK).exists()
    assert not (project.folder / LOCK).exists()


def test_a_reused_number_of_a_process_does_not_keep_a_lock(project):
    path = project.folder / LOCK
    held = json.loads(path.read_text()) | {"started": 1.0}
    project.close()
    path.write_text(json.dumps(held))
    with pytest.warns(Note, match="taken over"):
        Project(project.folder).close()


def test_a_folder_that_is_no_project_is_refused_and_left_alone(tmp_path):
    with pytest.raises(UserError, match="is no project"):
        Project(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_project_needs_an_empty_folder(project):
    with pytest.raises(UserError, match="is not an empty folder"):
        Project.new(project.folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 1}',
        '{"format": "x"}',
        '{"format": 1, "volumes": [{}], "classes": [], "locked": [], "rules": [], "view": {}}',
        '{"format": 1, "volumes": 3, "classes": [], "locked": [], "rules": [], "view": {}}',
        '{"format": -1}',
        "[" * 100_000,
    ],
)
def test_a_damaged_record_gets_one_sentence(project, text):
    project.close()
    (project.folder / record.NAME).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        Project(project.folder)
    assert not (project.folder / LOCK).exists()


def test_a_record_of_a_newer_version_is_refused(project):
    project.close()
    (project.folder / record.NAME).write_text('{"format": 999}')
    with pytest.raises(UserError, match=r"format 999.*update sparseseg"):
        Project(project.folder)


def test_a_record_of_an_older_version_is_migrated(project, monkeypatch):
    path = project.folder / record.NAME
    data = json.loads(path.read_text())
    project.close()
    data["format"] = 0
    data["names"] = data.pop("classes")
    path.write_text(json.dumps(data))

    def renamed(old: dict) -> dict:
        return {**old, "classes": old["names"]}

    monkeypatch.setitem(record._MIGRATIONS, 0, renamed)
    with Project(project.folder) as again:
        assert again.classes == project.classes
        again.keep(rules=("fill holes",))
    assert json.loads(path.read_text())["format"] == record.FORMAT


def test_a_volume_cannot_leave_the_folder_of_an_export(project):
    data = project._record.to_json()
    data["volumes"][0]["name"] = "../../etc/passwd"
    with pytest.raises(UserError, match="cannot name a volume"):
        Record.from_json(data)


def test_a_project_whose_journal_is_gone_is_not_taken_for_an_empty_one(project):
    project.close()
    (project.folder / "journal.sqlite").unlink()
    with pytest.raises(UserError, match="is missing, and with it all annotations"):
        Project(project.folder)


def test_an_add_that_was_cut_off_leaves_no_half_volume(project, files, monkeypatch):
    monkeypatch.setattr(Record, "write", _killed)
    (files / "b.tif").write_bytes((files / "cells.tif").read_bytes() + b"\0")
    with pytest.raises(KeyboardInterrupt):
        project.add(files / "b.tif")
    monkeypatch.undo()
    assert [volume.name for volume in project.volumes] == ["cells"]
    assert project.add(files / "b.tif").name == "b-2"


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_painted_by_a_script_is_in_the_journal(project):
    array = project.annotation("cells")
    recorder = project.recorder("cells", array)
    array[3, 4:8, 4:8] = 2
    recorder.record("script")
    assert (project.replay("cells") == array).all()
    assert project.info()["journal"]["entries"] == 2


def test_the_facts_are_those_of_the_files(project, files):
    facts = project.info()
    assert set(facts) >= {"volumes", "slices", "classes", "models", "scores"}
    (volume,) = facts["volumes"]
    assert Path(volume["path"]) == files / "cells.tif"
    assert volume["shape"] == list(read(files / "cells.tif").shape)
    assert len(facts["slices"]["cells"]) > 0
    assert ClassTable.from_json(facts["classes"]) == project.classes


def test_a_folder_that_may_not_be_written_is_read_only(project, monkeypatch):
    project.close()
    with Project(project.folder, read_only=True) as reader:
        with pytest.raises(UserError, match="to read only"):
            reader.keep(rules=())
        assert not (project.folder / LOCK).exists()


def test_a_project_keeps_one_score_of_a_slice(project):
    for right in (1, 5):
        score = SliceScore(0, 2, {1: (right, 5, 5)}, "network", 9)
        project.keep_score("cells", score)
    project.close()
    with Project(project.folder) as again:
        assert again.record_of("cells").scores == (score,)
        (told,) = again.info()["volumes"][0]["slice_scores"]
        assert (told["axis"], told["mean_dice"]) == ("z", 1.0)


def test_a_project_keeps_how_well_a_slice_was_painted_twice(project):
    score = SliceScore(0, 2, {1: (3, 5, 5)}, "person", 0)
    project.keep_repeat("cells", score)
    project.close()
    with Project(project.folder) as again:
        assert again.record_of("cells").repeats == (score,)
        (told,) = again.info()["volumes"][0]["repeats"]
        assert (told["axis"], told["mean_dice"]) == ("z", 0.6)


def test_a_project_of_an_earlier_version_has_no_scores_of_slices(project):
    path = project.folder / record.NAME
    data = json.loads(path.read_text())
    del data["volumes"][0]["scores"], data["volumes"][0]["repeats"]
    path.write_text(json.dumps(data))
    (volume,) = Record.read(project.folder).volumes
    assert volume.scores == volume.repeats == ()


def test_two_series_of_one_folder_are_two_volumes_also_when_it_moves(project, tmp_path):
    pytest.importorskip("pydicom")
    scan = tmp_path / "scan"
    for number, offset in ((1, 0), (2, 100)):
        uid = {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number}
        save(scan, slices(VOXELS + offset, **uid), prefix=f"S{number}")
    assert [project.add(f"{scan}#{n}").name for n in (1, 2)] == ["scan-1", "scan-2"]
    with pytest.raises(UserError, match=r"already, as 'scan-1'"):
        project.add(f"{scan}#1")
    scan.rename(tmp_path / "elsewhere")
    again = Project(project.folder, read_only=True)
    with pytest.warns(Note, match="was moved"):
        first, second = (again.volume(name).array for name in ("scan-1", "scan-2"))
    assert np.array_equal(first + 200, second)  # each grey value counts twice
