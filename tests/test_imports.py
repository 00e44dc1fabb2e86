"""What importing costs, and which names are public."""

import json
import subprocess
import sys

import pytest

import sparseseg

PUBLIC = {
    "ClassTable",
    "Model",
    "Project",
    "SparseLabels",
    "TrainSettings",
    "UserError",
    "Volume",
    "clean",
    "create",
    "evaluate",
    "evaluate_cases",
    "fit",
    "load",
    "open_model",
    "predict",
    "read",
    "recipes",
    "segment",
    "suggest",
    "train",
    "write_labels",
}
HEAVY = {"torch", "napari", "qtpy", "magicgui", "scipy", "skimage"}
REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after running the code."""
    source = f"try:\n    {code}\nexcept SystemExit as end:\n    assert not end.code\n"
    command = [sys.executable, "-c", source + REPORT]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stderr.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import sparseseg") & (HEAVY | {"numpy"})


def test_asking_the_command_line_for_help_loads_nothing_heavy() -> None:
    start = "runpy.run_module('sparseseg', run_name='__main__')"
    code = f"import runpy, sys; sys.argv = ['sparseseg', '--help']; {start}"
    assert not loaded_by(code) & HEAVY


def test_reading_and_painting_need_neither_torch_nor_napari() -> None:
    loaded = loaded_by("from sparseseg import Volume, SparseLabels, evaluate, read")
    assert not loaded & {"torch", "napari", "qtpy", "magicgui"}


def test_the_public_names_are_these() -> None:
    assert set(sparseseg.__all__) == PUBLIC
    assert set(dir(sparseseg)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_leads_to_something(name: str) -> None:
    assert getattr(sparseseg, name) is not None


def test_load_is_the_model_reader() -> None:
    assert sparseseg.load == sparseseg.Model.load


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segmentize'"):
        _ = sparseseg.segmentize  # type: ignore[attr-defined]
