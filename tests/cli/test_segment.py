"""`segment` and `predict` write predictions that lie where their image lies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparseseg.classes import ClassTable
from sparseseg.cli import jobs
from sparseseg.data.files import read, write_labels
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import Sample
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job
from sparseseg.progress import Step
from tests.cli.runs import Run, last_object, two_steps

SEGMENT = ("segment", "image.tif", "annotation.tif", "--json")


@pytest.mark.usefixtures("no_training")
def test_segment_writes_prediction_and_model_and_scores_them(
    run: Run, tmp_path: Path, sample: Sample
) -> None:
    target, kept = tmp_path / "p.tif", tmp_path / "m.safetensors"
    flags = ("-o", target, "--model-out", kept, "--truth", "truth.tif")
    code, stdout, _ = run(*SEGMENT, *flags)
    answer = last_object(stdout)
    assert code == 0
    assert {"iou", "dice", "mean_iou", "mean_dice", "annotated"} <= set(answer)
    assert answer["method"] == "network"
    assert list(answer)[-1] == "estimate"
    assert answer["estimate"] is None
    assert answer["reason"].startswith("no estimate: ")
    assert read(target).shape == sample.volume.shape
    assert read(target).spacing == pytest.approx(sample.volume.spacing)
    assert Model.load(kept).table.numbers == (1, 2)


@pytest.mark.slow
def test_segment_ends_with_an_estimate_of_all_voxels_between_the_slices(
    run: Run, tmp_path: Path
) -> None:
    flags = ("-o", tmp_path / "p.tif", "--steps", 2)
    code, stdout, _ = run(*SEGMENT, *flags)
    answer = last_object(stdout)
    assert code == 0
    found = answer["estimate"]
    assert list(answer)[-1] == "estimate"
    assert set(found) == {"mean_dice", "low", "high", "classes"}
    assert 0 <= found["low"] <= found["mean_dice"] <= found["high"] <= 1
    assert set(found["classes"]) == {"1", "2"}
    assert set(found["classes"]["1"]) == {"dice", "low", "high"}


def test_what_was_used_is_said_where_there_is_no_score(
    model_file: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = SparseLabels(sample.annotation)
    walked = Job(method="walker")
    jobs.segment(Model.load(model_file), sample.volume, walked, labels=labels)
    assert "the prediction uses random walker\n" in capsys.readouterr().err


def test_of_a_volume_without_slices_it_is_not_said_that_slices_chose(
    model_file: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = {key: {"mean_iou": 0.5} for key in ("forest", "network")}
    model = Model.load(model_file)
    model.history["held_out"] = {"best": "forest", "slices": ["z 12"], **scored}
    jobs.segment(model, sample.volume, Job(method="forest"))
    assert "the prediction uses" not in capsys.readouterr().err


@pytest.mark.usefixtures("no_training")
def test_names_of_the_annotation_go_on_into_model_and_prediction(
    run: Run, tmp_path: Path, sample: Sample, inputs: Path
) -> None:
    table = ClassTable.numbered([1, 2]).renamed(2, "vessel")
    named, target = tmp_path / "named.nii.gz", tmp_path / "p.tif"
    kept = tmp_path / "m.safetensors"
    write_labels(named, sample.annotation, sample.volume, table=table)

    code, _, _ = run("segment", "image.tif", named, "-o", target, "--model-out", kept)

    assert code == 0
    assert Model.load(kept).table == table
    assert read(target).classes == table


@pytest.mark.usefixtures("no_training")
def test_a_rule_knows_the_names_of_the_annotation(
    run: Run, tmp_path: Path, sample: Sample
) -> None:
    table = ClassTable.numbered([1, 2]).renamed(2, "vessel")
    named, rule = tmp_path / "named.tif", "drop vessel below 999999 voxels"
    write_labels(named, sample.annotation, sample.volume, table=table)
    target = tmp_path / "p.tif"

    code, _, _ = run("segment", "image.tif", named, "-o", target, "--clean", rule)

    assert code == 0
    assert not (read(target).array == 2).any()


def test_where_interpolation_did_better_it_is_used_and_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    def train(model: Model, *others: Any, team: None) -> Iterator[Step]:
        yield from two_steps(model, *others)
        network, interpolation = {"mean_iou": 0.5}, {"mean_iou": 0.75}
        scores = {"network": network, "interpolation": interpolation}
        model.history["held_out"] = {"slices": ["z 12"], "step": 2, **scores}
        model.history["held_out"]["best"] = "interpolation"

    monkeypatch.setattr("sparseseg.engine.training.work", train)
    _, stdout, stderr = run(*SEGMENT, "-o", tmp_path / "p.tif")
    assert last_object(stdout)["method"] == "interpolation"
    assert "held-out slice z 12: 0.75, of the network 0.50" in stderr
    prediction, annotation = read(tmp_path / "p.tif").array[0], sample.annotation
    painted = annotation > 0
    wanted = np.where(annotation == 255, 0, annotation)
    assert (prediction == wanted)[painted].mean() > 0.9


def test_predict_writes_one_file_or_a_folder(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    single, folder = tmp_path / "p.tif", tmp_path / "folder"
    assert run("predict", model_file, "image.tif", "-o", single)[0] == 0
    images = ("image.tif", "truth.tif")
    _, stdout, _ = run("predict", model_file, *images, "-o", folder, "--json")
    written = [str(folder / name) for name in images]
    assert last_object(stdout) == {"predictions": written, "estimates": [None, None]}
    assert (read(single).array == read(written[0]).array).all()


def test_inside_a_coarse_segmentation_only_its_box_is_predicted(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    coarse = np.zeros((24, 24, 24), np.uint8)
    coarse[6:16, 3:8, 10], coarse[9, 4, 20] = 1, 2
    write_labels(tmp_path / "coarse.tif", coarse, like=read("image.tif"))
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    predict = ("predict", model_file, "image.tif", "--probabilities", "-o")
    assert run(*predict, whole)[0] == 0
    assert run(*predict, part, "--inside", tmp_path / "coarse.tif")[0] == 0
    # 10 x 5 x 11 voxels, and 1, 1 and 2 more on each side.
    box = (slice(5, 17), slice(2, 9), slice(8, 23))
    expected = np.zeros_like(coarse)
    expected[box] = read(whole).array[0][box]
    np.testing.assert_array_equal(read(part).array[0], expected)
    likely = read(tmp_path / "part-probabilities.tif").array
    np.testing.assert_allclose(likely.sum(0), 1, rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "words"), [((24, 24, 20), "has shape"), ((24, 24, 24), "is empty")]
)
def test_a_coarse_segmentation_that_cannot_be_one_is_refused(
    run: Run, tmp_path: Path, model_file: Path, shape, words
) -> None:
    path = tmp_path / "coarse.tif"
    like = Volume.from_array(np.zeros(shape, np.float32))
    write_labels(path, np.zeros(shape, np.uint8), like=like)
    arguments = ("predict", model_file, "image.tif", "-o", tmp_path / "p.tif")
    code, _, stderr = run(*arguments, "--inside", path)
    assert code == 2
    assert words in " ".join(stderr.split())


def test_probabilities_and_uncertainty_lie_beside_the_prediction(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    target = tmp_path / "p.tif"
    flags = ("--probabilities", "--uncertainty", "--annotation", "annotation.tif")
    assert run("predict", model_file, "image.tif", "-o", target, *flags)[0] == 0
    probabilities = read(tmp_path / "p-probabilities.tif").array
    assert probabilities.shape == (3, 24, 24, 24)
    np.testing.assert_allclose(probabilities.sum(0), 1, rtol=1e-3)
    uncertainty = read(tmp_path / "p-uncertainty.tif").array
    assert 0 <= uncertainty.min() <= uncertainty.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("image.tif", "truth.tif", "-o", "p.tif"), "2 images need a folder"),
        (("image.tif", "image.tif", "-o", "out"), "two images are called image.tif"),
        (("image.tif", "-o", "."), "image.tif is an input"),
        (
            ("image.tif", "-o", "annotation.tif", "--annotation", "annotation.tif"),
            "annotation.tif is an input",
        ),
        (
            ("image.tif", "-o", "truth.tif", "--inside", "./truth.tif"),
            "truth.tif is an input",
        ),
        (
            ("a.tif", "a-uncertainty.tif", "-o", "out", "--uncertainty"),
            "two results would be written to out/a-uncertainty.tif",
        ),
        (("image.tif", "-o", "p.png"), "cannot write p.png"),
        (
            ("image.tif", "truth.tif", "-o", "out", "--annotation", "annotation.tif"),
            "takes one image",
        ),
    ],
)
def test_where_predictions_cannot_go_is_said_first(
    run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, stderr = run("predict", "no-model-is-read.safetensors", *arguments)
    assert code == 2
    assert sentence in stderr


def test_a_stopped_prediction_tells_how_many_were_written(
    run: Run, tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparseseg.data import files

    def stops(path: str, *_: object, **__: object) -> None:
        if "truth" in str(path):
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_labels", stops)
    images = ("image.tif", "truth.tif")
    code, _, stderr = run("predict", model_file, *images, "-o", tmp_path)
    assert code == 130
    assert "1 of 2 predictions were written" in stderr


def test_a_second_prediction_into_a_zarr_takes_the_place_of_the_first(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    target = tmp_path / "p.zarr"
    for _ in range(2):
        assert run("predict", model_file, "image.tif", "-o", target)[0] == 0
    assert not (target / "image.tif").exists()
    assert read(target).shape == (24, 24, 24)


def test_a_folder_that_is_no_zarr_image_is_not_replaced(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("x")
    code, _, stderr = run(
        "predict", model_file, "image.tif", "-o", tmp_path / "mine.zarr"
    )
    assert code == 2
    assert "is a folder" in stderr
    assert (tmp_path / "mine.zarr" / "thesis.txt").exists()


@pytest.mark.usefixtures("no_training")
def test_an_annotation_without_background_is_told(
    run: Run, tmp_path: Path, sample: Sample
) -> None:
    dense = np.where(sample.annotation == 255, 0, sample.annotation).astype(np.uint8)
    write_labels(tmp_path / "dense.tif", dense, like=sample.volume)
    given = ("segment", "image.tif", tmp_path / "dense.tif", "-o", tmp_path / "p.tif")
    code, _, stderr = run(*given)
    assert code == 0
    assert "no background (255), so every voxel gets a class" in stderr
    _, _, stderr = run(*SEGMENT, "-o", tmp_path / "q.tif")
    assert "no background" not in stderr
