"""A model as ONNX: onnxruntime labels as the model does, or a sentence says why not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sparseseg.data import samples
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.models.exporting import export_onnx
from sparseseg.recipes.scene import Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.miniature import shrink

SAMPLE = samples.blobs((24, 24, 24))


@pytest.fixture(scope="module")
def model() -> Model:
    case = SAMPLE.volume, SparseLabels(SAMPLE.annotation)
    settings = TrainSettings(steps=3, device="cpu", held_out=False)
    model = create([case], settings)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        for _ in train(model, [case], settings):
            pass
    return model


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_onnxruntime_labels_a_patch_as_the_model_does(
    tmp_path: Path, model, monkeypatch
) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"
    found = export_onnx(model, path, (12, 16, 16))
    assert (found.voxels, found.differing) == (12 * 16 * 16, 0)

    image = np.asarray(SAMPLE.volume.array[:, :12, :16, :16], np.float32)
    scene = Scene.of(model.plan, Volume(image))
    scale = np.array([[s.zero, s.unit] for s in model.plan.scales(scene.volume)])
    wanted = Job(extras=frozenset({"probabilities"}))
    # A file sees no more than its patch, and so cannot ask how frequent classes are.
    monkeypatch.setattr(model.network.trees, "shift", torch.tensor(0.0))
    own = finished(segment(model, scene.volume, wanted))
    assert own.method == "forest"
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {"image": image, "scale": scale.astype(np.float32)}
    labels, probabilities = session.run(None, given)
    assert np.abs(probabilities - own.probabilities).max() < 1e-3
    assert (labels != own.labels).mean() < 1e-3
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
