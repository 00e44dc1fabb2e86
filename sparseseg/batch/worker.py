"""What a worker of a cluster does: it opens model and volume by path, once."""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from distributed import get_worker

from sparseseg.batch.course import BatchCourse
from sparseseg.batch.items import Item
from sparseseg.batch.prepared import prepare
from sparseseg.batch.settings import BatchSettings
from sparseseg.batch.volume import attempted
from sparseseg.boxes import Tile
from sparseseg.data.files import open_volume
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output, Wanted
from sparseseg.engine.prediction import answer, tune
from sparseseg.engine.segment import VOLUME_SHARE
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.memory import give_back
from sparseseg.models.opening import open_model
from sparseseg.nn.device import Precision, choose_device
from sparseseg.recipes import Scene
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.work import result_of

_AT_WORK = threading.Lock()
"""A worker with several threads gives all of them to one tile."""


@dataclass(frozen=True, slots=True)
class Order:
    """What all tasks of a batch have in common."""

    settings: str
    """In JSON, which is small and can be compared."""
    key: str
    """The hash of the model that the batch was begun with."""
    run: str
    """Of another run nothing is used again: its files may have changed since."""


@dataclass(frozen=True, slots=True)
class VolumeTask:
    """A volume that one worker predicts and writes."""

    order: Order
    item: Item
    known: VolumeEntry | None
    """What the manifest says of it."""


@dataclass(frozen=True, slots=True)
class TileTask:
    """A tile of a volume that several workers share."""

    order: Order
    image: Path
    tile: Tile
    wanted: Wanted
    precision: Precision


def predicted_volume(task: VolumeTask) -> VolumeEntry | None:
    """Predict and write a volume; return what became of it, None if it is too large."""
    with _AT_WORK:
        settings, model = _settings(task.order), _model(task.order)
        if _is_too_large(task.item.source, settings):
            return None
        known = (task.order.key, task.known)
        work = attempted(model, task.item, settings, BatchCourse(1), known)
        return result_of(work)


def fastest_precision(order: Order, image: Path) -> Precision:
    """Measure in what precision the model predicts this volume fastest here."""
    with _AT_WORK:
        model, scene = _opened(order, image)
        tune(model, scene.volume)
        return model.precision


def predicted_tile(task: TileTask) -> Output:
    """Return the prediction of a tile, in arrays of its own."""
    with _AT_WORK:
        model, scene = _opened(task.order, task.image)
        model.precision = task.precision
        found = answer(model, scene, task.tile, task.wanted)
        give_back()
        return found


def _is_too_large(image: Path, settings: BatchSettings) -> bool:
    """Tell whether a volume does not fit into the memory; one that fails does not count."""
    with suppress(UserError):
        return isinstance(_volume(image, settings).array, OnDisk)
    return False


def _volume(image: Path, settings: BatchSettings) -> Volume:
    return open_volume(image, at_most=int(settings.bytes * VOLUME_SHARE))


def _opened(order: Order, image: Path) -> tuple[Model, Scene]:
    return _model(order), _scene(order, image)


@lru_cache(maxsize=1)
def _model(order: Order) -> Model:
    settings = _settings(order)
    torch.set_num_threads(max(1, get_worker().state.nthreads))
    model = open_model(settings.model)
    model.network.to(device_of_worker(settings.device, str(get_worker().name)))
    if prepare(model, settings) != order.key:
        raise UserError(
            "the worker {address} finds another model at {model} "
            "than the batch was begun with: give a path that is the same on all machines",
            address=get_worker().address,
            model=settings.model,
        )
    return model


@lru_cache(maxsize=1)
def _scene(order: Order, image: Path) -> Scene:
    model, settings = _model(order), _settings(order)
    return Scene.of(model.plan, _volume(image, settings), device=model.device)


def device_of_worker(wanted: str, worker: str) -> torch.device:
    """Return the device of a worker: of several GPUs the one of its number."""
    device = choose_device(wanted)
    if device.type != "cuda":
        return device
    digits = "".join(filter(str.isdigit, worker.rpartition("-")[2]))
    return torch.device("cuda", int(digits or 0) % torch.cuda.device_count())


def _settings(order: Order) -> BatchSettings:
    return BatchSettings.from_json(json.loads(order.settings), say("the batch"))
