"""`doubts` names the places that are worth a look."""

from pathlib import Path

from sparseseg.data.files import read
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
