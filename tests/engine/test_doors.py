"""One job behind every door: the same model and volume give the same labels."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sparseseg
from sparseseg.boxes import Box
from sparseseg.cli.main import main
from sparseseg.data.files import read, read_labels, write_image, write_labels
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.engine.training import train
from sparseseg.progress import Method
from sparseseg.session.engine import Engine
from sparseseg.session.shared import SharedArrays
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.miniature import shrink

SHAPE = (16, 24, 20)
RULES = ("drop 2 below 9999 voxels",)
METHODS: tuple[Method, ...] = ("network", "walker", "interpolation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A volume, its annotation, and a model that keeps rules."""
    folder = tmp_path_factory.mktemp("doors")
    sample = blobs(SHAPE, classes=2)
    write_image(folder / "image.tif", sample.volume.array[0], like=sample.volume)
    write_labels(folder / "annotation.tif", sample.annotation, like=sample.volume)
    case = read(folder / "image.tif"), SparseLabels(sample.annotation)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        settings = TrainSettings(steps=15, device="cpu")
        model = create([case], settings)
        for _ in train(model, [case], settings):
            pass
    model.rules = RULES
    model.save(folder / "model.safetensors")
    return folder


def by_command(folder: Path, *flags: str) -> np.ndarray:
    """Run `predict` on the volume."""
    target = folder / "by-command.tif"
    target.unlink(missing_ok=True)
    model, image = (str(folder / name) for name in ("model.safetensors", "image.tif"))
    assert main(["predict", model, image, "-o", str(target), *flags]) == 0
    return read(target).array[0]


def by_batch(folder: Path) -> np.ndarray:
    scans, output = folder / "scans", folder / "predictions"
    scans.mkdir(exist_ok=True)
    (scans / "image.tif").write_bytes((folder / "image.tif").read_bytes())
    command = [
        "batch",
        str(folder / "model.safetensors"),
        str(scans),
        "-o",
        str(output),
    ]
    assert main([*command, "--memory", "4GB"]) == 0
    return read(output / "image.tif").array[0]


def by_method_of_the_model(folder: Path) -> np.ndarray:
    model = sparseseg.open_model(str(folder / "model.safetensors"))
    return model.predict(read(folder / "image.tif")).labels


def by_arrays(folder: Path) -> np.ndarray:
    out = Output(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    model = Model.load(folder / "model.safetensors")
    for _ in segment(model, read(folder / "image.tif"), into=out):
        pass
    return out.labels


def by_window(
    folder: Path, annotation: np.ndarray | None = None, method: Method = "network"
) -> np.ndarray:
    """Predict the whole volume as the training process of the window does."""
    volume = read(folder / "image.tif")
    painted = np.zeros(SHAPE, np.uint8) if annotation is None else annotation
    results = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    arrays = SharedArrays(painted, *results)
    engine = Engine()
    engine.open(volume, painted)
    engine.load(folder / "model.safetensors")
    shown = engine.possible(method)
    for _ in engine.predict(arrays, box=Box.whole(SHAPE), method=shown):
        pass
    return arrays.prediction


DOORS: dict[str, Callable[[Path], np.ndarray]] = {
    "predict": by_command,
    "predict with memory": lambda folder: by_command(folder, "--memory", "2GB"),
    "batch": by_batch,
    "Model.predict": by_method_of_the_model,
    "arrays": by_arrays,
    "window": by_window,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_labels_of_the_job(folder, door):
    model = Model.load(folder / "model.safetensors")
    expected = finished(segment(model, read(folder / "image.tif"))).labels
    raw = finished(segment(model, read(folder / "image.tif"), Job(rules=()))).labels
    assert set(np.unique(expected)) < set(np.unique(raw))  # the rules took class 2 away

    found = DOORS[door](folder)

    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def annotated_command(folder: Path) -> np.ndarray:
    return by_command(folder, "--annotation", str(folder / "annotation.tif"))


def annotated_method(folder: Path) -> np.ndarray:
    model = Model.load(folder / "model.safetensors")
    return model.predict(read(folder / "image.tif"), labels_of(folder)).labels


def annotated_segment(folder: Path) -> np.ndarray:
    """Run `segment`, with the model in the place of a training."""
    target = folder / "by-segment.tif"
    target.unlink(missing_ok=True)
    image, annotation = (str(folder / f"{n}.tif") for n in ("image", "annotation"))
    with trained_already(folder):
        assert main(["segment", image, annotation, "-o", str(target)]) == 0
    return read(target).array[0]


def annotated_python(folder: Path) -> np.ndarray:
    with trained_already(folder):
        volume = sparseseg.read(folder / "image.tif")
        return sparseseg.segment(volume, labels_of(folder)).labels


def annotated_window(folder: Path) -> np.ndarray:
    history = Model.load(folder / "model.safetensors").history
    method = history["held_out"]["best"]
    return by_window(folder, labels_of(folder).array, method)


@contextmanager
def trained_already(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        made = lambda *_: Model.load(folder / "model.safetensors")  # noqa: E731
        patch.setattr("sparseseg.starting.create", made)
        patch.setattr("sparseseg.engine.training.work", lambda *_, **__: iter(()))
        patch.setattr("sparseseg.starting.train", lambda *_: iter(()))
        yield


def labels_of(folder: Path) -> SparseLabels:
    return SparseLabels(read_labels(folder / "annotation.tif"))


ANNOTATED = {
    "predict": annotated_command,
    "Model.predict": annotated_method,
    "segment": annotated_segment,
    "sparseseg.segment": annotated_python,
    "window": annotated_window,
}


@pytest.fixture(params=METHODS)
def judged(request, folder, tmp_path) -> Path:
    """The same, with a model whose training found another method best."""
    copied = Path(shutil.copytree(folder, tmp_path / "judged"))
    model = Model.load(copied / "model.safetensors")
    model.history["held_out"] = {
        "best": request.param,
        "slices": ["z 8"],
        "network": {"mean_iou": 0.5},
        request.param: {"mean_iou": 0.9},
    }
    model.save(copied / "model.safetensors")
    return copied


@pytest.mark.parametrize("door", ANNOTATED)
def test_with_the_annotation_every_door_takes_the_method_that_did_best(judged, door):
    model, volume = Model.load(judged / "model.safetensors"), read(judged / "image.tif")
    best = model.history["held_out"]["best"]
    job = Job(method=best)
    expected = finished(segment(model, volume, job, labels=labels_of(judged))).labels

    found = ANNOTATED[door](judged)

    np.testing.assert_array_equal(found, expected)
