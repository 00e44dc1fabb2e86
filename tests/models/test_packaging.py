"""A model as a package of BioImage.IO, which our own reader reads as any other."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import yaml

from sparseseg.data import samples
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.looks import SHARES
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models import packaging
from sparseseg.models.packaging import About, export_package, scales_of
from sparseseg.models.readers import read_model
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

SAMPLE = samples.blobs((24, 24, 24))
ABOUT = About(authors=("A. Maker",), licence="CC-BY-4.0", name="Blobs")


@pytest.fixture
def model() -> Model:
    labels = SparseLabels(SAMPLE.annotation)
    model = create([(SAMPLE.volume, labels)], TrainSettings())
    model.history["learned_from"] = [
        {"orientation": "", "quantiles": [SHARES], "medians": {}, "foreground": 0.2}
    ]
    return model


def test_the_unit_is_how_bright_volumes_of_the_training_are(model):
    # Quantiles on a straight line: the mean is in the middle of both ends.
    (found,) = scales_of(model)
    assert found == pytest.approx([0, 0.5])
    model.plan = replace(model.plan, grey=("fixed",))
    assert scales_of(model) == [[0.0, 1.0]]
    model.plan = replace(model.plan, grey=("volume",))
    model.history["learned_from"] = []
    with pytest.raises(UserError, match="train it again"):
        scales_of(model)


@pytest.mark.parametrize(
    ("name", "about", "words"),
    [
        ("m.onnx", ABOUT, "NAME.zip"),
        ("m.zip", replace(ABOUT, authors=()), "--author"),
        ("m.zip", replace(ABOUT, licence=""), "--licence"),
    ],
)
def test_what_is_missing_is_said_before_any_work(tmp_path, model, name, about, words):
    with pytest.raises(UserError) as caught:
        export_package(model, tmp_path / name, (8, 8, 8), about)
    assert words in str(caught.value)


def test_the_description_says_axes_halo_and_classes(tmp_path, model):
    for name in ("weights.onnx", "test_input.npy", "test_output.npy", "README.md"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cover.png").write_bytes(b"x")
    found = packaging._described(model, (16, 32, 200), ABOUT, tmp_path)
    image, answer = found["inputs"][0], found["outputs"][0]
    assert [axis.get("size") for axis in image["axes"][2:]] == [16, 32, 200]
    assert [axis.get("halo") for axis in answer["axes"][2:]] == [4, 8, 24]
    assert answer["axes"][1]["channel_names"][0] in ("background", "class 1")
    assert image["axes"][2]["scale"] == 2.0
    assert image["axes"][2]["unit"] == "micrometer"
    yaml.safe_dump(found)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_our_reader_reads_what_we_write(tmp_path, model):
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library)
    path = tmp_path / "m.zip"
    found = export_package(model, path, (12, 16, 16), ABOUT)
    assert (found.voxels, found.differing) == (12 * 16 * 16, 0)
    with zipfile.ZipFile(path) as archive:
        assert "cover.png" in archive.namelist()
    again = read_model(path)
    assert again.table.names == model.table.names
    assert again.plan.patch == (12, 16, 16)
    labels = again.predict(SAMPLE.volume).labels
    assert labels.shape == SAMPLE.volume.shape
    assert np.isin(labels, [0, 1, 2]).all()
