"""`project` keeps volumes, annotations and models in one folder, for people and programs."""

from pathlib import Path

import pytest

from sparseseg.data.files import read, read_labels, write_image
from sparseseg.engine.model import Model
from sparseseg.project.project import Project
from tests.cli.runs import Run, last_object


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    assert run("project", "new", folder)[0] == 0
    answer = run(
        "project", "add", folder, "image.tif", "--annotation", "annotation.tif"
    )
    assert answer[0] == 0
    return folder


def test_info_gives_what_other_programs_read(run, folder, sample):
    facts = last_object(run("project", "info", folder, "--json")[1])
    assert [volume["name"] for volume in facts["volumes"]] == ["image"]
    assert facts["volumes"][0]["shape"] == list(sample.volume.shape)
    assert {c["number"] for c in facts["classes"]} == set(sample.table.numbers)
    assert {"axis", "index", "complete"} <= set(facts["slices"]["image"][0])
    assert (facts["models"], facts["scores"]) == ([], {})
    assert "image: 24 x 24 x 24 voxels" in run("project", "info", folder)[1]


@pytest.mark.usefixtures("no_training")
def test_a_model_goes_into_the_project(run, folder):
    code, stdout, _ = run("project", "train", folder, "--seed", 3, "--json")
    answer = last_object(stdout)
    assert (code, answer["step"], answer["recipe"]) == (0, 2, "three-view")
    assert Path(answer["model"]) == folder / "models" / "model-001.safetensors"
    run("project", "train", folder)
    facts = last_object(run("project", "info", folder, "--json")[1])
    assert [model["name"] for model in facts["models"]] == ["model-001", "model-002"]
    assert facts["models"][0]["volumes"] == ["image"]
    assert facts["scores"] == {"model-001": None, "model-002": None}
    assert Model.load(answer["model"]).history["settings"]["seed"] == 3


@pytest.mark.usefixtures("no_training")
def test_a_project_prints_what_train_prints(run, folder, tmp_path):
    target = tmp_path / "m.safetensors"
    plain = run("train", "image.tif", "annotation.tif", "-o", target)[1]
    own = run("project", "train", folder)[1]
    assert own == plain.replace(
        str(target), str(folder / "models/model-001.safetensors")
    )


def test_replay_makes_the_same_annotation_again(run, folder, tmp_path, inputs):
    with Project(folder) as project:
        array = project.annotation("image")
        recorder = project.recorder("image", array)
        for index in (2, 3, 4):
            array[index, 5:9] = 1
            recorder.record("script")
        recorder.take(project.journal.undo())
    code, stdout, _ = run("project", "replay", folder, "-o", tmp_path / "out", "--json")
    answer = last_object(stdout)
    assert (code, answer["same"]) == (0, {"image": True})
    again = read_labels(answer["annotations"]["image"], like=read(inputs / "image.tif"))
    assert (again == array).all()


@pytest.mark.usefixtures("no_training")
def test_replay_trains_the_newest_model_again(run, folder, tmp_path):
    assert run("project", "replay", folder, "-o", tmp_path / "a", "--train")[0] == 2
    run("project", "train", folder, "--seed", 5)
    arguments = ("project", "replay", folder, "-o", tmp_path / "b", "--train", "--json")
    answer = last_object(run(*arguments)[1])
    settings = Model.load(answer["model"]).history["settings"]
    assert (settings["seed"], settings["steps"], settings["minutes"]) == (5, 2, None)


@pytest.mark.usefixtures("no_training")
def test_export_writes_plain_files(run, folder, tmp_path):
    run("project", "train", folder)
    assert run("project", "export", folder, "-o", tmp_path / "out")[0] == 0
    written = {
        p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("out/**/*.*")
    }
    assert written == {
        "annotations/image.tif",
        "info.json",
        "models/model-001.safetensors",
    }
    table = read(tmp_path / "out" / "annotations" / "image.tif").classes
    assert table.numbers == (1, 2)


def test_an_export_never_replaces_the_image(run, folder, inputs):
    before = (inputs / "image.tif").read_bytes()
    code, _, stderr = run("project", "replay", folder, "-o", inputs)
    assert code == 2
    assert "is an input" in stderr
    assert (inputs / "image.tif").read_bytes() == before


def test_what_is_open_is_not_opened_twice(run, folder):
    with Project(folder):
        code, _, stderr = run("project", "add", folder, "truth.tif")
        assert run("project", "info", folder)[0] == 0
    assert code == 2
    assert "is open: " in stderr
    assert len(stderr.splitlines()) == 1


def test_a_folder_that_is_no_project_gets_one_sentence(run, tmp_path):
    for action in ("info", "train", "open"):
        code, _, stderr = run("project", action, tmp_path)
        assert (code, len(stderr.splitlines())) == (2, 1)
        assert "is no project" in stderr


def test_a_folder_or_a_pattern_adds_all_its_images(run, folder, inputs, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    image = read(inputs / "image.tif")
    for number in range(3):
        write_image(scans / f"scan-{number}.tif", image.array + number + 1, image)
    (scans / "notes.txt").write_text("no image")
    answer = last_object(
        run("project", "add", folder, scans / "scan-[01].tif", "--json")[1]
    )
    assert list(answer["volumes"]) == ["scan-0", "scan-1"]
    code, stdout, stderr = run("project", "add", folder, scans, "--json")
    assert (code, list(last_object(stdout)["volumes"])) == (2, ["scan-2"])
    assert stderr.count("in the project already") == 2


def test_one_annotation_is_not_given_to_several_images(run, folder, inputs):
    arguments = ("project", "add", folder, "image.tif", "truth.tif")
    code, _, stderr = run(*arguments, "--annotation", "annotation.tif")
    assert code == 2
    assert "belongs to one image, and 2 are given" in stderr


def test_an_annotation_is_written_although_its_image_is_gone(run, inputs, tmp_path):
    folder, image = tmp_path / "work", tmp_path / "image.tif"
    known = read(inputs / "image.tif")
    write_image(image, known.array + 9, known)  # else the same image is found elsewhere
    run("project", "new", folder)
    run("project", "add", folder, image, "--annotation", "annotation.tif")
    before = read_labels(inputs / "annotation.tif")
    image.unlink()
    for action in ("export", "replay"):
        code, stdout, stderr = run(
            "project", action, folder, "-o", tmp_path / action, "--json"
        )
        path = last_object(stdout)["annotations"]["image"]
        assert (code, (read_labels(path) == before).all()) == (0, True)
        assert "is gone" in stderr


@pytest.mark.usefixtures("no_training")
def test_replay_gives_the_model_its_rules_again(run, folder, tmp_path):
    run("project", "train", folder, "--clean", "fill holes of 1")
    arguments = ("project", "replay", folder, "-o", tmp_path / "b", "--train", "--json")
    answer = last_object(run(*arguments)[1])
    assert Model.load(answer["model"]).rules == ("fill holes of 1",)


def test_the_report_is_one_file(run, folder, tmp_path):
    path = tmp_path / "work.html"
    code, stdout, _ = run("project", "report", folder, "-o", path, "--json")
    assert (code, last_object(stdout)["report"]) == (0, str(path))
    assert "<h2>Volumes</h2>" in path.read_text(encoding="utf-8")
    code, _, stderr = run("project", "report", folder, "-o", tmp_path / "work.pdf")
    assert code == 2
    assert "give FILE.html" in stderr


@pytest.mark.parametrize("action", ["export", "replay"])
@pytest.mark.parametrize("inside", ["", "annotations", "other"])
def test_nothing_is_written_over_the_files_of_a_project(run, folder, action, inside):
    before = sorted(p for p in folder.rglob("*") if "journal" not in p.name)
    code, _, stderr = run("project", action, folder, "-o", folder / inside)
    assert code == 2
    assert "keeps its own files there" in stderr
    assert sorted(p for p in folder.rglob("*") if "journal" not in p.name) == before
