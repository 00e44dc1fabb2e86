"""A batch on the workers of a Dask cluster, or on several processes of this machine."""

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sparseseg.batch.course import BatchCourse
from sparseseg.batch.interrupted import BatchInterruptedError
from sparseseg.batch.items import Item
from sparseseg.batch.settings import BatchSettings
from sparseseg.batch.volume import Report, attempted, ended
from sparseseg.boxes import Tile
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output, Wanted
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.threads import let_threads_sleep

try:
    import distributed
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise UserError(
        "a batch on several workers needs Dask: run pip install 'sparseseg[cluster]'"
    ) from error

from sparseseg.batch.worker import (  # after it is known that Dask is there
    Order,
    TileTask,
    VolumeTask,
    fastest_precision,
    predicted_tile,
    predicted_volume,
)

_LOCAL = re.compile(r"local:([1-9]\d*)")
_CONNECT_SECONDS = 15
_WORKERS_SECONDS = 60
"""How long the batch waits for the first worker, and for one after all are gone."""
_LOOK_SECONDS = 1
_TASKS_EACH = 2  # one that is computed, and one that waits beside it

Task = TypeVar("Task")


@contextmanager
def connected(settings: BatchSettings, key: str) -> Iterator["Cluster"]:
    """Give the cluster of the settings with workers that are ready.

    Raises `UserError` where no scheduler answers, no worker comes, or a worker has
    another version of sparseseg.
    """
    with ExitStack() as stack:
        client = _client(settings.scheduler, stack)
        order = Order(json.dumps(settings.absolute().to_json()), key, uuid.uuid4().hex)
        cluster = Cluster(client, settings, order)
        cluster.wait_for_workers()
        cluster.check_versions()
        yield cluster


class Cluster:
    """The workers of a batch."""

    def __init__(
        self, client: "distributed.Client", settings: BatchSettings, order: Order
    ) -> None:
        self._client = client
        self._settings = settings
        self._order = order
        self._seen = time.monotonic()

    @property
    def size(self) -> int:
        """How many workers there are now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def wait_for_workers(self) -> None:
        """Wait for the first worker, but not for ever."""
        try:
            self._client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
        except TimeoutError as error:
            raise UserError(
                "no worker came to the scheduler {scheduler} within "
                "{workers_seconds} s: start some with `dask worker ADDRESS`",
                scheduler=self._settings.scheduler,
                workers_seconds=_WORKERS_SECONDS,
            ) from error

    def check_versions(self) -> None:
        """Raise `UserError` for a worker that has not this version of sparseseg."""
        here = _version()
        for address, there in self._client.run(_version).items():
            if there != here:
                raise UserError(
                    "the worker {address} has sparseseg {there}, and "
                    "this is {here}: install the same version on all machines",
                    address=address,
                    there=there or say("not installed"),
                    here=here,
                )

    def predicted(
        self,
        model: Model,
        items: Sequence[Item],
        known: Mapping[str, VolumeEntry | None],
    ) -> Iterator[Report]:
        """Predict volumes, and report what happens to each.

        A volume is one task where there is one for each worker. One that is larger than
        the memory, and the few of a small batch, are shared by tiles.
        """
        items = [_absolute_item(item) for item in items]
        is_small_batch = len(items) < self.size
        course = BatchCourse(len(items), at_once=1 if is_small_batch else self.size)
        to_share = items
        if not is_small_batch:
            to_share = yield from self._whole(items, known, course)
        course.at_once = 1
        for item in to_share:
            yield Report(item, "running", 0.0, 0.0, course.left)
            before = (self._order.key, known.get(item.name))
            shared = _SharedVolume(self, item.source)
            entry = yield from attempted(
                model, item, self._settings, course, before, shared
            )
            yield ended(item, entry, course)

    def _whole(
        self,
        items: Sequence[Item],
        known: Mapping[str, VolumeEntry | None],
        course: BatchCourse,
    ) -> Generator[Report, None, list[Item]]:
        """Let each volume be predicted by one worker; return those that are too large."""
        tasks = [VolumeTask(self._order, i, known.get(i.name)) for i in items]
        too_large = []
        for task, found in self.each(predicted_volume, tasks):
            if found is None:
                yield Report(task.item, "running", 0.0, 0.0, course.left)
                continue
            entry = _entry(task.item, found)
            if entry is None:
                too_large.append(task.item)
            else:
                yield ended(task.item, entry, course)
        return too_large

    def tiles(
        self, image: Path, tiles: Iterable[Tile], wanted: Wanted
    ) -> Iterator[tuple[Tile, Output]]:
        """Yield the predictions of tiles of one volume, in the order they are made."""
        asked = self._client.submit(fastest_precision, self._order, image, pure=False)
        self._over([asked])
        precision = _result(asked)
        tasks = (TileTask(self._order, image, t, wanted, precision) for t in tiles)
        for task, found in self.each(predicted_tile, tasks):
            if found is not None:
                yield task.tile, _result(found)

    def each(
        self, work: Callable[[Task], Any], tasks: Iterable[Task]
    ) -> "Iterator[tuple[Task, distributed.Future[Any] | None]]":
        """Yield each task when it is sent, with None, and when it is over.

        Only few are sent at once, so that the results of a large volume do not pile up.
        Where a worker dies, another one takes its tasks.
        """
        waiting = iter(tasks)
        under_way: dict[distributed.Future[Any], Task] = {}
        try:
            while True:
                room = max(1, _TASKS_EACH * self.size) - len(under_way)
                for task in islice(waiting, max(0, room)):
                    under_way[self._client.submit(work, task, pure=False)] = task
                    yield task, None
                if not under_way:
                    return
                for future in self._over(list(under_way)):
                    yield under_way.pop(future), future
        finally:
            self._client.cancel(list(under_way), force=True)

    def _over(
        self, futures: "list[distributed.Future[Any]]"
    ) -> "set[distributed.Future[Any]]":
        """Wait until some are over; raise `UserError` if nobody works any more."""
        while True:
            try:
                done = distributed.wait(futures, _LOOK_SECONDS, "FIRST_COMPLETED").done
            except TimeoutError:
                self._check_alive()
            else:
                self._seen = time.monotonic()
                return set(done)

    def _check_alive(self) -> None:
        if self._client.status == "running" and self.size:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _WORKERS_SECONDS:
            raise BatchInterruptedError(
                "the workers of {scheduler} are gone: start them, and run "
                "the same batch again, it continues from there",
                scheduler=self._settings.scheduler,
            )


@dataclass(frozen=True, slots=True)
class _SharedVolume:
    """The workers that share the tiles of one volume."""

    cluster: Cluster
    image: Path

    def answers(
        self, tiles: Sequence[Tile], wanted: Wanted
    ) -> Iterator[tuple[Tile, Output]]:
        """Yield each tile with its prediction."""
        return self.cluster.tiles(self.image, tiles, wanted)


def _client(scheduler: str, stack: ExitStack) -> "distributed.Client":
    """Connect to a scheduler; `local:N` starts one, with N workers."""
    local = _LOCAL.fullmatch(scheduler)
    client: distributed.Client
    try:
        if local:
            cluster = stack.enter_context(_processes(int(local[1])))
            client = distributed.Client(cluster)
        else:
            client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        raise UserError(
            "no Dask scheduler answers at {scheduler!r}: start one with `dask scheduler` "
            "and give its address, such as tcp://host:8786, or give local:2 for two "
            "processes on this machine",
            scheduler=scheduler,
        ) from error
    stack.callback(client.close)
    return client


def _processes(count: int) -> "distributed.LocalCluster":
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    each = max(1, (cores or os.cpu_count() or 1) // count)
    let_threads_sleep()
    return distributed.LocalCluster(
        n_workers=count,
        threads_per_worker=each,
        processes=True,
        memory_limit=0,  # the batch keeps to its own limit, and Dask's would kill
        dashboard_address=None,
        silence_logs=50,
    )


def _version() -> str:
    try:
        return version("sparseseg")
    except PackageNotFoundError:
        return ""


def _entry(item: Item, found: "distributed.Future[Any]") -> VolumeEntry | None:
    """Return what became of a volume, None if it has to be shared.

    A full disk is for the caller.
    """
    try:
        entry: VolumeEntry | None = _result(found)
    except BatchInterruptedError:
        raise
    except UserError as error:
        return VolumeEntry(name=item.name, state="failed", key="", error=str(error))
    return entry


def _result(found: "distributed.Future[Any]") -> Any:
    """Return a result; raise `UserError` with what went wrong."""
    try:
        return found.result()
    except KilledWorker as error:
        raise UserError(
            "several workers died of it, perhaps for lack of memory: give --memory less "
            "than a worker may take"
        ) from error


def _absolute_item(item: Item) -> Item:
    return replace(
        item,
        image=item.image.absolute(),
        prediction=item.prediction.absolute(),
        truth=None if item.truth is None else item.truth.absolute(),
    )
