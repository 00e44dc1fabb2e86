"""`doubts` names the places that are worth a look."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sparseseg.data.files import read, write_image, write_labels
from sparseseg.data.samples import Sample
from tests.cli.runs import Run, last_object


def test_doubts_are_listed_and_written(run: Run, model_file: Path) -> None:
    given = ("doubts", model_file, "image.tif", "annotation.tif")
    code, stdout, _ = run(*given, "--count", 2, "-o", "doubt.tif", "--json")
    assert code == 0
    places = last_object(stdout)["places"]
    assert len(places) <= 2
    for place in places:
        assert set(place) == {"z", "y", "x", "doubt", "sign", "predicted"}
    assert read("doubt.tif").shape == read("image.tif").shape


def test_a_count_below_one_is_refused(run: Run) -> None:
    given = ("doubts", "m.safetensors", "image.tif", "annotation.tif")
    code, _, stderr = run(*given, "--count", 0)
    assert code == 2
    assert "got 0" in stderr


def test_a_class_and_voxels_that_the_model_does_not_know_are_told(
    run: Run, model_file: Path, sample: Sample, tmp_path: Path
) -> None:
    like = replace(sample.volume, spacing=(9.0, 9.0, 9.0))
    image, labels = tmp_path / "image.tif", tmp_path / "labels.tif"
    write_image(image, sample.volume.array, like=like)
    strange = np.where(sample.annotation == 1, 7, sample.annotation)
    write_labels(labels, strange, like=like)
    for command in (
        ("doubts", model_file, image, labels),
        ("suggest", image, labels, "--model", model_file),
        (
            "predict",
            model_file,
            image,
            "--annotation",
            labels,
            "-o",
            tmp_path / "p.tif",
        ),
    ):
        _, _, stderr = run(*command)
        assert "does not know class 7 of the annotation" in stderr
        assert "voxels of 9 x 9 x 9" in stderr
