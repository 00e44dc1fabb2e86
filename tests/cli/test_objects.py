"""`objects` and `mesh` from files to files, with their refusals."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.files import read, write_labels
from sparseseg.data.volume import Volume
from tests.cli.runs import Run, last_object
from tests.postprocessing.objects.bodies import ball

SHAPE = (20, 24, 40)
LABELS = (ball(SHAPE, (10, 12, 11), 8) | ball(SHAPE, (10, 12, 26), 8)).astype(np.uint8)
LIKE = Volume(LABELS[None], (0.5, 0.5, 0.5), "mm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_labels(tmp_path / "p.nii.gz", LABELS, like=LIKE)
    return tmp_path


def test_objects_are_written_measured_and_scored(run: Run, folder: Path) -> None:
    labels, out = folder / "p.nii.gz", folder / "o.nii.gz"
    flags = ("--table", folder / "t.csv", "--image", labels, "--json")
    code, stdout, stderr = run("objects", labels, "-o", out, "--truth", labels, *flags)
    assert code == 0, stderr
    found = last_object(stdout)
    assert found["objects"] == 2
    assert found["scores"]["true"] == 1
    written = read(out)
    assert np.array_equal(np.unique(written.array), [0, 1, 2])
    assert (written.spacing, written.unit) == ((0.5, 0.5, 0.5), "mm")
    with (folder / "t.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    volumes = [float(row["volume (mm3)"]) for row in rows]
    assert sum(volumes) == pytest.approx(LABELS.sum() / 8, rel=1e-4)
    assert [float(row["mean"]) for row in rows] == [1, 1]


def test_surfaces_of_objects_go_into_a_folder_or_one_file(
    run: Run, folder: Path
) -> None:
    run("objects", folder / "p.nii.gz", "-o", folder / "o.tif")
    code, stdout, stderr = run(
        "mesh", folder / "o.tif", "-o", folder / "m", "--format", "ply", "--json"
    )
    assert code == 0, stderr
    assert sorted(p.name for p in (folder / "m").iterdir()) == ["0001.ply", "0002.ply"]
    each = last_object(stdout)["surfaces"].values()
    code, stdout, _ = run("mesh", folder / "o.tif", "-o", folder / "all.stl", "--json")
    (whole,) = last_object(stdout)["surfaces"].values()
    assert sum(m["volume"] for m in each) == pytest.approx(whole["volume"], rel=0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("objects", "p.nii.gz", "-o", "p.nii.gz"), "is an input"),
        (
            ("objects", "p.nii.gz", "-o", "o.tif", "--class", "7"),
            "no voxel has class 7",
        ),
        (("objects", "p.nii.gz", "-o", "o.tif", "--size", "-2"), "size must be 0 or"),
        (("objects", "p.nii.gz", "-o", "o.tif", "--table", "t.xls"), "NAME.csv"),
        (("objects", "p.nii.gz", "-o", "o.tif", "--image", "p.nii.gz"), "--table"),
        (("objects", "p.nii.gz", "-o", "o.png"), "cannot write"),
        (("mesh", "p.nii.gz", "-o", "o.vtk"), "cannot write"),
        (("mesh", "p.nii.gz", "-o", "o.stl", "--number", "5"), "no number 5.* are 1"),
        (("mesh", "p.nii.gz", "-o", "o.stl", "--keep", "2"), "keep must be"),
    ],
)
def test_a_mistake_is_one_sentence(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, words, message
) -> None:
    monkeypatch.chdir(folder)
    code, _, stderr = run(*words)
    assert code == 2
    assert len(stderr.splitlines()) == 1
    assert re.search(message, stderr), stderr
    assert sorted(p.name for p in folder.iterdir()) == ["p.nii.gz"]
