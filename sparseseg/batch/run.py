"""The batch itself: a generator of what happens to each volume."""

from collections.abc import Iterator
from pathlib import Path

from sparseseg.batch.course import BatchCourse
from sparseseg.batch.interrupted import BatchInterruptedError
from sparseseg.batch.items import Item
from sparseseg.batch.manifest import Manifest
from sparseseg.batch.prepared import prepare
from sparseseg.batch.scratch import clear_leftovers, results_of
from sparseseg.batch.settings import BatchSettings
from sparseseg.batch.volume import Report, attempted, ended
from sparseseg.data.atomic import clear_unfinished
from sparseseg.engine.model import Model
from sparseseg.language import say
from sparseseg.reporting.entry import VolumeEntry


def run(model: Model, items: list[Item], settings: BatchSettings) -> Iterator[Report]:
    """Predict each volume that is not done, and yield what happens.

    A volume whose prediction is there, and whose content, model and settings have not
    changed, is skipped. One that fails is told with its reason, and the others go on;
    only a full disk and a cluster that is gone end the batch, with `UserError`. A
    prediction is under its name whole or not at all. It is the same one wherever it is
    computed, so that a batch can be begun here and finished on a cluster.
    """
    clear_leftovers(items, settings)
    key = prepare(model, settings)
    manifest = Manifest(Path(settings.output))
    work = _elsewhere if settings.scheduler else _here
    for report in work(model, items, settings, key, manifest):
        if report.entry is not None and report.entry.state != "skipped":
            _keep(manifest, report.entry)
        yield report
    clear_unfinished(
        results_of(items)
    )  # of workers that died, whose volumes others have taken


def _keep(manifest: Manifest, entry: VolumeEntry) -> None:
    try:
        manifest.add(entry)
    except OSError as error:
        raise BatchInterruptedError(
            "what was done with {name} cannot be noted in {path} ({strerror}): make room, "
            "and run the same batch again, it continues from there",
            name=entry.name,
            path=manifest.path,
            strerror=error.strerror,
        ) from error


def _here(
    model: Model,
    items: list[Item],
    settings: BatchSettings,
    key: str,
    manifest: Manifest,
) -> Iterator[Report]:
    """Predict one volume after the other in this process."""
    course = BatchCourse(len(items))
    for item in items:
        yield Report(item, "running", 0.0, 0.0, course.left)
        known = (key, manifest.get(item.name) if settings.resume else None)
        entry = yield from attempted(model, item, settings, course, known)
        yield ended(item, entry, course)


def _elsewhere(
    model: Model,
    items: list[Item],
    settings: BatchSettings,
    key: str,
    manifest: Manifest,
) -> Iterator[Report]:
    """Predict on the workers of a cluster."""
    from sparseseg.batch.cluster import connected  # noqa: PLC0415  # Dask is an extra

    known = {i.name: manifest.get(i.name) for i in items if settings.resume}
    with connected(settings, key) as cluster:
        yield from cluster.predicted(model, items, known)


def needed(items: list[Item], settings: BatchSettings) -> str:
    """Say what the batch will use, before it begins."""
    size = sum(
        sum(p.stat().st_size for p in image.rglob("*") if p.is_file())
        if image.is_dir()
        else image.stat().st_size
        for image in {item.image for item in items}
    )
    return say(
        "{count} volumes, {size:.1f} GB on disk; at most about "
        "{bytes:.1f} GB of memory, larger volumes stay on disk, and "
        "their predictions are made in a file next to the output",
        count=len(items),
        size=size / 2**30,
        bytes=settings.bytes / 2**30,
    )
