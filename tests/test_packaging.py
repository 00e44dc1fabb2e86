"""The manifest is found however the package is installed, and the wheel is complete."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "napari.yaml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build a wheel and return the names of the files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as archive:
        return archive.namelist()


def test_the_installed_manifest_is_the_one_in_the_repository() -> None:
    installed = PluginManifest.from_distribution("sparseseg")
    written = PluginManifest.from_file(MANIFEST)
    hint = "napari.yaml was edited after installing: run `python3 run.py test`"
    assert installed.contributions == written.contributions, hint
    assert installed.display_name == written.display_name


def test_everything_that_the_manifest_names_can_be_imported() -> None:
    PluginManifest.from_file(MANIFEST).validate_imports()


def test_the_wheel_holds_the_manifest_where_npe2_looks(wheel: list[str]) -> None:
    assert "sparseseg_manifest/napari.yaml" in wheel


def test_the_wheel_tells_type_checkers_that_it_is_typed(wheel: list[str]) -> None:
    assert "sparseseg/py.typed" in wheel


def test_the_wheel_holds_every_sample_file(wheel: list[str]) -> None:
    folder = ROOT / "sparseseg" / "samples"
    files = [path for path in folder.rglob("*") if path.is_file()]
    samples = {path.relative_to(ROOT).as_posix() for path in files}
    assert samples
    assert samples <= set(wheel)
