"""Small files to run commands on, and a way to run them in this process."""

from pathlib import Path

import numpy as np
import pytest

from sparseseg.cli.main import main
from sparseseg.data import samples
from sparseseg.data.files import write_image, write_labels
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import Sample
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.cli.runs import Run, two_steps


@pytest.fixture(scope="session")
def sample() -> Sample:
    return samples.blobs((24, 24, 24))


@pytest.fixture(scope="session")
def inputs(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with image.tif, annotation.tif, truth.tif and empty.tif."""
    folder = tmp_path_factory.mktemp("inputs")
    volume = sample.volume
    write_image(folder / "image.tif", volume.array.astype(np.float32), like=volume)
    write_labels(folder / "annotation.tif", sample.annotation, like=volume)
    write_labels(folder / "truth.tif", sample.truth.astype(np.uint8), like=volume)
    write_labels(folder / "empty.tif", np.zeros_like(sample.annotation), like=volume)
    return folder


@pytest.fixture(scope="session")
def model_file(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a model that has learned nothing yet."""
    labels = SparseLabels(sample.annotation)
    path = tmp_path_factory.mktemp("model") / "fresh.safetensors"
    create([(sample.volume, labels)], TrainSettings()).save(path)
    return path


@pytest.fixture
def run(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs a command among the inputs.

    It gives the exit code, stdout and stderr.
    """
    monkeypatch.chdir(inputs)

    def runs(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return runs


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two steps pass without learning anything."""
    monkeypatch.setattr("sparseseg.engine.training.work", two_steps)
