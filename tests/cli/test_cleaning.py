"""`--clean` writes what the rules leave, and knows its mistakes before any work."""

from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.files import read, write_image
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.postprocessing import clean
from tests.cli.runs import Run, last_object

RULES = ("--clean", "keep 1 largest of 1", "--clean", "drop below 9 um3")


def test_a_prediction_is_cleaned_up_by_its_rules_in_order(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    plain, cleaned = tmp_path / "plain.tif", tmp_path / "cleaned.tif"
    follow = ("--annotation", "annotation.tif")
    assert run("predict", model_file, "image.tif", "-o", plain, *follow)[0] == 0
    arguments = ("predict", model_file, "image.tif", "-o", cleaned, *follow)
    assert run(*arguments, *RULES)[0] == 0
    before, after = (read(path) for path in (plain, cleaned))
    wanted = clean(before.array[0], RULES[1::2], spacing=before.spacing, unit="um")
    np.testing.assert_array_equal(after.array[0], wanted)
    assert (wanted != before.array[0]).any()


def test_a_threshold_is_of_the_probabilities_that_are_then_not_written(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    arguments = ("predict", model_file, "image.tif", "-o", tmp_path / "p.tif")
    assert run(*arguments, "--probabilities")[0] == 0
    probability = read(tmp_path / "p-probabilities.tif").array[1]
    labels = read(tmp_path / "p.tif").array[0]
    some = float(np.median(probability[labels == 1]))
    (tmp_path / "p-probabilities.tif").unlink()
    assert run(*arguments, "--clean", f"keep 1 above {some:.6f}")[0] == 0
    left = read(tmp_path / "p.tif").array[0]
    assert 0 < (left == 1).sum() < (labels == 1).sum()
    assert probability[left == 1].min() >= some - 1e-5
    assert not (tmp_path / "p-probabilities.tif").exists()


@pytest.mark.usefixtures("no_training")
def test_segment_cleans_up_what_it_writes_and_scores(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "p.tif"
    arguments = ("segment", "image.tif", "annotation.tif", "-o", target, "--json")
    flags = ("--clean", "drop 1 or 2 below 99999999 um3", "--truth", "truth.tif")
    code, stdout, _ = run(*arguments, *flags)
    assert code == 0
    assert not read(target).array.any()
    assert last_object(stdout)["mean_dice"] == 0.0


@pytest.mark.usefixtures("no_training")
def test_segment_knows_the_classes_of_the_model_it_goes_on_from(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    parent = Model.load(model_file)
    parent.table = parent.table.renamed(1, "nucleus")
    parent.save(tmp_path / "parent.safetensors")
    arguments = ("segment", "image.tif", "annotation.tif", "-o", tmp_path / "p.tif")
    flags = ("--from", tmp_path / "parent.safetensors")
    assert run(*arguments, *flags, "--clean", "fill holes of nucleus")[0] == 0


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("keep the best", "there is no rule 'keep the best': write one like keep 2"),
        ("fill holes of 7", "there is no class 7, only [1, 2]"),
    ],
)
def test_a_rule_that_there_is_not_is_told_before_the_training(
    run: Run, tmp_path: Path, rule: str, sentence: str
) -> None:
    arguments = ("segment", "image.tif", "annotation.tif", "-o", tmp_path / "p.tif")
    code, _, stderr = run(*arguments, "--clean", rule)
    assert code == 2
    assert sentence in stderr


def test_a_size_in_a_volume_without_one_is_told_with_its_name(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    image = tmp_path / "bare.tif"
    array = np.zeros((24, 24, 24), np.float32)
    write_image(image, array, like=Volume(array[None]))
    arguments = ("predict", model_file, image, "-o", tmp_path / "p.tif")
    code, _, stderr = run(*arguments, "--clean", "drop below 5 mm3")
    assert code == 2
    assert "bare.tif: the volume has no voxel size in mm" in stderr


@pytest.mark.usefixtures("no_training")
def test_rules_of_the_training_go_with_the_model_until_others_are_given(
    run: Run, tmp_path: Path
) -> None:
    model, target = tmp_path / "m.safetensors", tmp_path / "p.tif"
    rule = "drop 1 or 2 below 99999999 um3"
    train = ("train", "image.tif", "annotation.tif", "-o", model, "--clean", rule)
    assert run(*train)[0] == 0
    assert Model.load(model).rules == (rule,)
    predict = ("predict", model, "image.tif", "--annotation", "annotation.tif")
    kept = {}
    for name, flags in {
        "own": (),
        "none": ("--clean", "none"),
        "other": ("--clean", "keep 1 largest of 1"),
    }.items():
        assert run(*predict, "-o", target, *flags)[0] == 0
        kept[name] = np.count_nonzero(read(target).array)
    assert kept["own"] == 0
    assert 0 < kept["other"] <= kept["none"]


def test_a_rule_of_a_training_is_checked_before_it(run: Run, tmp_path: Path) -> None:
    train = ("train", "image.tif", "annotation.tif", "-o", tmp_path / "m.safetensors")
    code, _, stderr = run(*train, "--clean", "keep 1 largest of 7", "--minutes", "60")
    assert code != 0
    assert "7" in stderr
    assert not (tmp_path / "m.safetensors").exists()
