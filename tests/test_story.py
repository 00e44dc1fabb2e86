"""From a few painted slices to a measured segmentation in a file, end to end."""

import numpy as np
import pytest

from sparseseg import SparseLabels, evaluate, fit, load, read, write_labels
from sparseseg.data.files import read_truth
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import predict
from sparseseg.nn import classifier, guided_unet
from sparseseg.recipes.three_view import recipe, slices


@pytest.mark.slow
def test_a_few_slices_become_a_segmentation_in_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr(recipe, "_FIT_STEPS", 40)
    monkeypatch.setattr(slices, "PIXELS", 4000)
    for module in (classifier, guided_unet):
        monkeypatch.setattr(module, "FIT_PIXELS", 512)
    sample = blobs((16, 32, 32), classes=1)
    labels = SparseLabels(annotate_slices(sample.truth, (3, 1, 1)), table=sample.table)
    fit([(sample.volume, labels)], steps=30, device="cpu").save(
        tmp_path / "blobs.safetensors"
    )
    model = load(tmp_path / "blobs.safetensors")
    out = Output(np.zeros(sample.volume.shape, np.uint8))
    for _ in predict(model, sample.volume, out, labels=labels):
        pass
    write_labels(tmp_path / "blobs.tif", out.labels, like=sample.volume)
    written = read(tmp_path / "blobs.tif")
    assert written.spacing == sample.volume.spacing
    measures = evaluate(
        read_truth(tmp_path / "blobs.tif"), sample.truth, annotation=labels.array
    )
    assert measures["iou"][1] > 0.5
    np.testing.assert_array_equal(written.array[0], out.labels)
