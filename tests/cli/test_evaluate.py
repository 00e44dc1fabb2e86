"""`evaluate` prints what the measuring protocol prints, and more."""

from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.files import write_labels
from sparseseg.data.volume import Volume
from tests.cli.runs import Run, last_object

SAME = ("truth.tif", "truth.tif")


def test_the_keys_are_those_of_the_protocol_and_what_else_is_measured(run: Run) -> None:
    arguments = ("evaluate", *SAME, "--annotation", "annotation.tif")
    code, stdout, _ = run(*arguments, "--json")
    answer = last_object(stdout)
    protocol = {"iou", "dice", "mean_iou", "mean_dice", "annotated"}
    distances = {"surface_distance", "hausdorff95", "max_surface_distance"}
    assert code == 0
    assert set(answer) == protocol | distances | {"voe", "rvd", "unit"}
    assert answer["iou"] == {"0": 1.0, "1": 1.0, "2": 1.0}
    assert answer["hausdorff95"] == {"1": 0.0, "2": 0.0}
    assert 0 < answer["annotated"] < 1


def test_people_get_a_table_that_says_what_was_scored(run: Run) -> None:
    code, stdout, _ = run("evaluate", *SAME, "--tolerance", 2)
    scores = "   1.000   1.000   0.000   0.000"
    there = "   0.000   0.000   0.000   1.000"
    assert code == 0
    assert stdout.splitlines() == [
        "                     IoU    Dice     VOE     RVD    ASSD    HD95     max   sDice",
        f"background      {scores}",
        f"class 1         {scores}{there}",
        f"class 2         {scores}{there}",
        "mean of classes    1.000   1.000",
        "on the 100.0% of the voxels not annotated",
        "ASSD, HD95, max: mean, 95th percentile and largest distance in um",
        "sDice: share of the surfaces within 2 um",
    ]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a folder of tiny segmentations in mm."""

    def write(name: str, *values: int, unit: str = "mm", side: float = 2.0) -> None:
        array = np.tile(np.array(values, np.uint8), (2, 2, 1))
        like = Volume(array[None], (2.0, 2.0, side), unit)
        write_labels(tmp_path / f"{name}.tif", array, like=like)

    write("p1", 1, 1, 0, 0)
    write("t1", 1, 0, 0, 0)
    write("p2", 1, 1, 1, 0)
    write("t2", 1, 2, 0, 0)
    write("empty", 0, 0, 0, 0)
    write("plain", 1, 0, 0, 0, unit="pixel")
    write("um", 1, 0, 0, 0, unit="um")
    write("longer", 1, 1, 0, 0, side=3.0)
    return tmp_path


def files(rows: Path, *names: str) -> list[str]:
    return [str(rows / f"{name}.tif") for name in names]


def test_several_pairs_are_scored_per_case_and_as_one(run: Run, rows: Path) -> None:
    pairs = files(rows, "p1", "t1", "p2", "t2")
    flags = ("--within", "2:1", "--burden", "2:1")
    answer = last_object(run("evaluate", *pairs, *flags, "--json")[1])
    assert answer["per_case"]["dice"]["1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert answer["global"]["dice"]["1"] == pytest.approx(6 / 8)
    assert answer["burden"]["rmse"] == pytest.approx((0.5**2 / 2) ** 0.5)
    assert len(answer["cases"]) == 2
    assert answer["unit"] == "mm"


def test_what_a_mean_leaves_out_is_told(run: Run, rows: Path) -> None:
    pairs = files(rows, "p1", "t1", "p2", "t2")
    lines = run("evaluate", *pairs, "--burden", "2:1")[1].splitlines()
    assert lines[0] == "per case, mean over 2 cases"
    assert "Dice of class 2: 1 of 2 cases" in lines
    assert "ASSD of class 2: 0 of 2 cases" in lines
    assert "global, all voxels as one volume" in lines
    assert lines[-1] == "tumour burden: RMSE 0.3536 over 2 cases"


def test_two_volumes_without_any_class_have_no_mean(run: Run, rows: Path) -> None:
    pair = files(rows, "empty", "empty")
    answer = last_object(run("evaluate", *pair, "--json")[1])
    assert answer["mean_dice"] is answer["mean_iou"] is None
    words = "no class is in either: there is no mean"
    assert words in run("evaluate", *pair)[1].splitlines()
    several = run("evaluate", *pair, *files(rows, "p1", "t1"))[1]
    assert words not in several
    assert run("evaluate", *pair, *pair)[1].count(words) == 2


def test_one_pair_can_have_a_burden_too(run: Run, rows: Path) -> None:
    flags = ("--burden", "2:1")
    code, stdout, _ = run("evaluate", *files(rows, "p2", "t2"), *flags, "--json")
    assert code == 0
    assert last_object(stdout)["burden"]["truth"] == [0.5]
    _, stdout, _ = run("evaluate", *files(rows, "plain", "plain"), "--burden", "3:2")
    assert stdout.splitlines()[-1] == "tumour burden: no case has the organ"


def test_a_truth_without_a_voxel_size_takes_that_of_the_prediction(
    run: Run, rows: Path
) -> None:
    pair = files(rows, "p1", "plain")
    _, stdout, stderr = run("evaluate", *pair, "--json")
    answer = last_object(stdout)
    assert answer["unit"] == "mm"
    assert answer["max_surface_distance"] == {"1": 2.0}
    assert not stderr


def test_voxel_sizes_that_differ_are_told(run: Run, rows: Path) -> None:
    pair = files(rows, "longer", "t1")
    _, stdout, stderr = run("evaluate", *pair, "--json")
    assert last_object(stdout)["max_surface_distance"] == {"1": 2.0}
    assert "longer.tif are 2 x 2 x 3 mm large" in stderr
    assert "the second is used" in stderr


def test_each_pair_has_its_own_annotation(run: Run, rows: Path, tmp_path: Path) -> None:
    array = np.tile(np.array([0, 255, 0, 0], np.uint8), (2, 2, 1))
    target = tmp_path / "annotation.tif"
    write_labels(target, array, like=Volume(array[None], (2, 2, 2), "mm"))
    pairs = files(rows, "p1", "t1", "p1", "t1")
    flags = ("--annotation", target, "--annotation", target)
    answer = last_object(run("evaluate", *pairs, *flags, "--json")[1])
    assert answer["per_case"]["dice"]["1"] == 1.0


@pytest.mark.parametrize(
    ("names", "flags", "sentence"),
    [
        (("p1",), (), "each prediction needs its truth, got 1 files"),
        (("p1", "t1", "p2"), (), "got 3 files"),
        (("p1", "t1"), ("--within", "tumour"), "given as A:B, like 2:1, got 'tumour'"),
        (("p1", "t1"), ("--burden", "2:2"), "two classes of 1 to 254, got 2 and 2"),
        (("p1", "t1"), ("--tolerance", "-1"), "tolerance must be a distance"),
        (
            ("p1", "t1", "p2", "t2"),
            ("--annotation", "annotation.tif"),
            "there are 2 pairs and 1 annotations",
        ),
        (("p1", "t1", "um", "um"), (), "in um, those before in mm"),
    ],
)
def test_what_cannot_be_evaluated_is_said(
    run: Run,
    rows: Path,
    names: tuple[str, ...],
    flags: tuple[str, ...],
    sentence: str,
) -> None:
    code, _, stderr = run("evaluate", *files(rows, *names), *flags)
    assert code == 2
    assert sentence in stderr
