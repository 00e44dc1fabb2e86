"""Training made small: tiny volumes, and recipes that fit and step on few pixels."""

from typing import Any

import numpy as np
import pytest

from sparseseg import recipes, starting
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import Sample, blobs
from sparseseg.data.volume import Volume
from sparseseg.engine import trainee
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, Segmentation, finished, segment
from sparseseg.nn import classifier, guided_unet, hdenseunet, trees
from sparseseg.nn.denseunet import DenseLayout
from sparseseg.nn.device import PLAIN
from sparseseg.recipes import Case
from sparseseg.recipes.three_view import recipe, slices
from sparseseg.settings.training import TrainSettings

SHAPE = (12, 20, 24)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "_FIT_STEPS", 4)
    monkeypatch.setattr(slices, "PIXELS", 500)
    for module in (classifier, guided_unet):
        monkeypatch.setattr(module, "FIT_PIXELS", 64)
    monkeypatch.setattr(trees, "_TRIED", 1)
    # Which precision is fastest is measured, and differs from run to run.
    for module in (trainee, guided_unet):
        monkeypatch.setattr(module, "probe", lambda *_: PLAIN)


def thin_dense_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the parts of H-DenseUNet have few channels; sums still fit."""
    flat = DenseLayout(2, 8, 4, (1, 1, 1, 1), (10, 12, 8, 6), (32, 32))
    deep = DenseLayout(3, 8, 4, (1, 1, 1, 1), (7, 10, 12, 8), (4, 32, 32))
    monkeypatch.setattr(hdenseunet, "LAYOUT_2D", flat)
    monkeypatch.setattr(hdenseunet, "LAYOUT_3D", deep)


def case(sample: Sample) -> Case:
    return sample.volume, SparseLabels(sample.annotation.copy(), table=sample.table)


def blob_case(shape: tuple[int, int, int] = SHAPE, **options: Any) -> Case:
    return case(blobs(shape, **options))


def painted(annotation: np.ndarray, *, seed: int = 0) -> Case:
    """Pair an annotation with an image of noise."""
    image = np.random.default_rng(seed).normal(100, 20, annotation.shape)
    return Volume.from_array(image.astype(np.float32)), SparseLabels(annotation)


def predict_all(
    model: Model, volume: Volume, labels: SparseLabels | None = None
) -> Segmentation:
    """Predict a whole volume with the network, without rules."""
    extras = frozenset({"uncertainty", "probabilities"})
    job = Job(method="network", rules=(), extras=extras)
    return finished(segment(model, volume, job, labels=labels))


def settings(**changed: Any) -> TrainSettings:
    return TrainSettings(**{"steps": 2, "device": "cpu", **changed})


def outputs_of(labels: SparseLabels) -> tuple[int, ...]:
    return (255, *labels.numbers())


def fresh_model(labelled: Case, name: str = recipes.names()[0]):
    return starting.create([labelled], settings(recipe=name))
