"""A model as ONNX: onnxruntime labels as the model does, or a sentence says why not."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data import samples
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.exporting import export_onnx
from sparseseg.recipes.scene import Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

SAMPLE = samples.blobs((24, 24, 24))


@pytest.fixture(scope="module")
def model() -> Model:
    labels = SparseLabels(SAMPLE.annotation)
    return create([(SAMPLE.volume, labels)], TrainSettings())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_onnxruntime_labels_a_patch_as_the_model_does(tmp_path: Path, model) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    found = export_onnx(model, path, (12, 16, 16))
    assert (found.voxels, found.differing) == (12 * 16 * 16, 0)

    image = np.asarray(SAMPLE.volume.array[:, :12, :16, :16], np.float32)
    scene = Scene.of(model.plan, Volume(image))
    scale = np.array([[s.zero, s.unit] for s in model.plan.scales(scene.volume)])
    own = model.recipe.probabilities(model.network, scene, Box.whole((12, 16, 16)))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {"image": image, "scale": scale.astype(np.float32)}
    labels, probabilities = session.run(None, given)
    assert np.abs(probabilities - own.detach().numpy()).max() < 1e-3
    numbers = np.array([0 if n == 255 else n for n in model.plan.outputs])
    assert (labels != numbers[own.argmax(0).numpy()]).mean() < 1e-3
    props = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
    assert json.loads(props["sparseseg"])["outputs"] == list(model.plan.outputs)


def test_what_cannot_be_exported_is_said_before_any_work(tmp_path: Path, model) -> None:
    with pytest.raises(UserError, match=r"NAME\.onnx"):
        export_onnx(model, tmp_path / "m.pt", (8, 8, 8))
    with pytest.raises(UserError, match="got 9999 x 999 x 99"):
        export_onnx(model, tmp_path / "m.onnx", (9999, 999, 99))
    labels = SparseLabels(SAMPLE.annotation)
    other = create([(SAMPLE.volume, labels)], TrainSettings(recipe="lungnet"))
    with pytest.raises(UserError, match="this one is of lungnet"):
        export_onnx(other, tmp_path / "m.onnx", (8, 8, 8))
    assert not list(tmp_path.iterdir())
