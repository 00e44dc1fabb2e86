"""One volume of a batch: predicted, written, and told of."""

import hashlib
import os
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.batch.course import BatchCourse
from sparseseg.batch.facts import facts_of, fingerprint_of_truth, scores_of
from sparseseg.batch.interrupted import BatchInterruptedError
from sparseseg.batch.items import Item, fingerprint
from sparseseg.batch.kept_tiles import KeptTiles
from sparseseg.batch.scratch import Scratch, ScratchPlace, scratch_for, shares_of
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.atomic import is_disk_full
from sparseseg.data.files import (
    check_output,
    open_volume,
    read_truth,
    write_image,
    write_labels,
)
from sparseseg.data.on_disk import let_go
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output, Workers
from sparseseg.engine.prediction import ThisProcess
from sparseseg.engine.segment import (
    VOLUME_SHARE,
    Job,
    Segmentation,
    checked_rules,
    segment,
)
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.memory import give_back
from sparseseg.postprocessing import needs_probabilities
from sparseseg.reporting.entry import State, VolumeEntry


@dataclass(frozen=True, slots=True)
class Report:
    """What is going on with one volume."""

    item: Item
    state: State
    done: float
    """The share of this volume that is done, 0..1."""
    seconds: float
    seconds_left: float | None
    """Of the whole batch; None until it can be told."""
    entry: VolumeEntry | None = None
    note: str = ""


def ended(item: Item, entry: VolumeEntry, course: BatchCourse) -> Report:
    """Count a volume that is over, and report what became of it."""
    course.finish(entry.seconds if entry.state == "done" else None)
    return Report(item, entry.state, 1.0, entry.seconds, course.left, entry)


Known = tuple[str, VolumeEntry | None]
"""A hash of model and settings, and what the manifest says of a volume."""


def attempted(
    model: Model,
    item: Item,
    settings: BatchSettings,
    course: BatchCourse,
    known: Known,
    workers: Workers | None = None,
) -> Generator[Report, None, VolumeEntry]:
    """Predict one volume if it has to be, and return what became of it."""
    begin = time.perf_counter()
    try:
        key = _key(item, known[0])
        old = known[1]
        if old and old.state == "done" and old.key == key and item.prediction.exists():
            return (yield from _scored_anew(old, item, settings, course))
        work = _Work(model, item, settings, key, workers)
        facts = yield from _predicted(work, course)
    except BatchInterruptedError:
        raise
    except (UserError, MemoryError, OSError, RuntimeError) as error:
        if is_disk_full(error):
            raise BatchInterruptedError(
                "the disk is full: {name} was not written; make room, and run the "
                "same batch again, it continues from there",
                name=item.name,
            ) from error
        seconds, words = time.perf_counter() - begin, _sentence(error, item)
        return VolumeEntry(
            name=item.name, state="failed", key="", seconds=seconds, error=words
        )
    seconds = time.perf_counter() - begin
    return VolumeEntry(
        name=item.name, state="done", key=key, seconds=seconds, facts=facts
    )


def _scored_anew(
    old: VolumeEntry, item: Item, settings: BatchSettings, course: BatchCourse
) -> Generator[Report, None, VolumeEntry]:
    """Return what is known of a prediction that is there, measured against its truth."""
    facts = old.facts or {}
    if facts.get("truth", "") == fingerprint_of_truth(item):
        return replace(old, state="skipped")
    note = say("was predicted before: only its scores are new")
    yield Report(item, "running", 1.0, 0.0, course.left, note=note)
    volume = _opened(item, settings)
    labels = read_truth(item.prediction, like=volume)
    facts = {k: v for k, v in facts.items() if k not in ("scores", "truth")}
    facts |= scores_of(labels, volume, item)
    if error := facts.get("scores", {}).get("error"):
        yield Report(item, "running", 1.0, 0.0, course.left, note=error)
    return replace(old, facts=facts)


def _opened(item: Item, settings: BatchSettings) -> Volume:
    return open_volume(item.source, at_most=int(settings.bytes * VOLUME_SHARE))


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done to one volume."""

    model: Model
    item: Item
    settings: BatchSettings
    key: str
    workers: Workers | None

    def workers_for(
        self, volume: Volume, scratch: Scratch, *, has_rules: bool
    ) -> Workers | None:
        """Return who answers the tiles; what they answer is kept for a large volume."""
        if scratch.log is None:
            return self.workers
        workers = self.workers or ThisProcess(self.model, volume)
        return KeptTiles(
            workers, scratch.out, scratch.log, is_changed_afterwards=has_rules
        )


def _predicted(
    work: _Work, course: BatchCourse
) -> Generator[Report, None, dict[str, Any]]:
    """Predict and write one volume; return what is known of it."""
    model, item, settings = work.model, work.item, work.settings
    volume = _opened(item, settings)
    check_output(item.prediction, like=volume)
    note = model.unlike(volume)
    begin = time.perf_counter()
    yield Report(item, "running", 0.0, 0.0, course.left, note=note)
    job = Job(memory=settings.bytes)
    rules = checked_rules(model, volume, job)
    outputs = len(model.plan.outputs) if needs_probabilities(rules) else 0
    place = ScratchPlace(item, settings, work.key)
    with scratch_for(volume, place, outputs=outputs) as scratch:
        out = scratch.out
        workers = work.workers_for(volume, scratch, has_rules=bool(rules))
        going_on = segment(model, volume, job, into=out, workers=workers)
        while True:
            try:
                tile = next(going_on)
            except StopIteration as end:
                found: Segmentation = end.value
                break
            done = tile.done / tile.total
            seconds = time.perf_counter() - begin
            _free(out)
            yield Report(item, "running", done, seconds, course.at(done, seconds))
        _write(work, volume, found.labels, out, place)
        facts = facts_of(model, volume, found, item)
        seconds = time.perf_counter() - begin
        after = _joined(found.doubt, facts.get("scores", {}).get("error", ""))
        yield Report(item, "running", 1.0, seconds, course.left, note=after)
        return facts | {"note": _joined(note, found.doubt)}


def _free(out: Output) -> None:
    """Keep no memory for what is on the disk, nor for what a tile took."""
    let_go(out.labels, out.uncertainty)
    give_back()


def _write(
    work: _Work,
    volume: Volume,
    labels: NDArray[np.uint8],
    out: Output,
    place: ScratchPlace,
) -> None:
    item = work.item
    write_labels(item.prediction, labels, like=volume, table=work.model.table)
    if out.uncertainty is not None:
        with shares_of(out.uncertainty, place) as shares:
            write_image(item.uncertainty, shares, like=volume)


def _joined(*sentences: str) -> str:
    return say("; also, ").join(filter(None, sentences))


def _key(item: Item, state: str) -> str:
    words = f"{fingerprint(item.image)} {state} {item.prediction.name}"
    return hashlib.sha256(os.fsencode(words)).hexdigest()


def _sentence(error: BaseException, item: Item) -> str:
    if isinstance(error, MemoryError):
        return say("there is not enough memory even for the smallest tile: give more")
    words = " ".join(str(error).split()) or type(error).__name__
    words = words.replace(f"{item.source}: ", "").replace(str(item.source), item.name)
    return words.replace(f"{item.image}: ", "").replace(str(item.image), item.name)
