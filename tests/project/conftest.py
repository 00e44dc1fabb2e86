"""A project with one small annotated volume."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sparseseg.data.files import write_image, write_labels
from sparseseg.data.samples import Sample, blobs
from sparseseg.project.project import Project

SHAPE = (12, 20, 24)


@pytest.fixture(scope="session")
def sample() -> Sample:
    return blobs(SHAPE, classes=2)


@pytest.fixture
def files(sample: Sample, tmp_path: Path) -> Path:
    """Return a folder with cells.tif and its annotation."""
    volume = sample.volume
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "cells.tif", volume.array.astype(np.float32), like=volume)
    write_labels(
        folder / "annotation.tif", sample.annotation, like=volume, table=sample.table
    )
    return folder


@pytest.fixture
def project(files: Path, tmp_path: Path) -> Iterator[Project]:
    with Project.new(tmp_path / "project") as project:
        project.add(files / "cells.tif", annotation=files / "annotation.tif")
        yield project
