"""A batch on several processes gives what one process gives, also when one is killed."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

distributed = pytest.importorskip("distributed")

from sparseseg.batch import cluster  # noqa: E402
from sparseseg.batch.items import Item, find_items  # noqa: E402
from sparseseg.batch.run import run  # noqa: E402
from sparseseg.batch.settings import BatchSettings  # noqa: E402
from sparseseg.batch.worker import device_of_worker  # noqa: E402
from sparseseg.data.files import read, write_image  # noqa: E402
from sparseseg.data.labels import SparseLabels  # noqa: E402
from sparseseg.data.samples import blobs  # noqa: E402
from sparseseg.engine import tiling  # noqa: E402
from sparseseg.engine.model import Model  # noqa: E402
from sparseseg.engine.training import train  # noqa: E402
from sparseseg.errors import UserError  # noqa: E402
from sparseseg.reporting.entry import VolumeEntry  # noqa: E402
from sparseseg.settings.training import TrainSettings  # noqa: E402
from sparseseg.starting import create  # noqa: E402
from tests.miniature import shrink  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Return the file of a model that was trained for a few steps."""
    sample = blobs((8, 20, 24), classes=1)
    case = sample.volume, SparseLabels(sample.annotation)
    settings = TrainSettings(steps=15, device="cpu")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        trained = create([case], settings)
        for _ in train(trained, [case], settings):
            pass
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    trained.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with three volumes."""
    inside = tmp_path_factory.mktemp("in")
    for seed, name in enumerate("abc"):
        sample = blobs((8 + 2 * seed, 24, 20), classes=1, seed=seed)
        write_image(inside / f"{name}.tif", sample.volume.array[0], like=sample.volume)
    return inside


def batch(model: Path, folder: Path, output: Path, **changed) -> BatchSettings:
    return BatchSettings(
        model=str(model),
        folder=str(folder),
        output=str(output),
        device="cpu",
        uncertainty=True,
        **changed,
    )


def went(settings: BatchSettings) -> dict[str, VolumeEntry]:
    """Run a batch; return what became of each volume."""
    work = run(Model.load(Path(settings.model)), find_items(settings), settings)
    return {r.item.name: r.entry for r in work if r.entry is not None}


def files(output: Path) -> dict[str, bytes]:
    """Return the voxels of all results."""
    found = sorted(output.glob("*.tif"))
    return {path.name: read(path).array.tobytes() for path in found}


def facts(entries: dict[str, VolumeEntry]) -> dict[str, dict]:
    return {name: dict(entry.facts or {}) for name, entry in entries.items()}


@pytest.fixture(scope="module")
def alone(model, folder, tmp_path_factory) -> tuple[dict, dict]:
    """What one process makes: the voxels of all results, and the facts."""
    output = tmp_path_factory.mktemp("alone")
    entries = went(batch(model, folder, output))
    assert {entry.state for entry in entries.values()} == {"done"}
    return files(output), facts(entries)


def test_two_processes_make_what_one_makes(model, folder, alone, tmp_path):
    entries = went(batch(model, folder, tmp_path, scheduler="local:2"))

    assert {entry.state for entry in entries.values()} == {"done"}
    assert (files(tmp_path), facts(entries)) == alone
    assert len(alone[0]) == 6


def test_a_volume_is_shared_by_tiles_where_there_are_fewer_than_workers(
    model, folder, alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster.Cluster, "size", property(lambda _: 4))
    seen = []
    tiles = cluster.Cluster.tiles
    monkeypatch.setattr(
        cluster.Cluster,
        "tiles",
        lambda *given: seen.append(len(given[2])) or tiles(*given),
    )
    monkeypatch.setattr(tiling, "tile_within", lambda *_: (4, 12, 20))
    settings = batch(model, folder, tmp_path, scheduler="local:2")

    entries = went(settings)

    assert min(seen) >= 4
    voxels, known = alone
    assert files(tmp_path) == voxels
    for name, found in facts(entries).items():
        assert found["classes"]["1"]["voxels"] == known[name]["classes"]["1"]["voxels"]


def test_a_cluster_goes_on_from_a_local_batch_and_the_other_way_round(
    model, folder, alone, tmp_path
):
    settings = batch(model, folder, tmp_path)
    work = run(Model.load(model), find_items(settings), settings)
    for report in work:  # the first volume alone
        if report.entry is not None:
            break
    work.close()

    states = [e.state for e in went(replace(settings, scheduler="local:1")).values()]

    assert sorted(states) == ["done", "done", "skipped"]
    assert {entry.state for entry in went(settings).values()} == {"skipped"}
    assert files(tmp_path) == alone[0]


def test_a_volume_that_fails_is_named_and_the_others_go_on(model, folder, tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    for name in "ac":
        (inside / f"{name}.tif").write_bytes((folder / f"{name}.tif").read_bytes())
    (inside / "b.tif").write_bytes((folder / "b.tif").read_bytes()[:3000])

    found = went(batch(model, inside, tmp_path / "out", scheduler="local:2"))

    states = {name: entry.state for name, entry in found.items()}
    assert states == {"a.tif": "done", "b.tif": "failed", "c.tif": "done"}
    assert found["b.tif"].error


def test_the_death_of_a_worker_is_survived(model, folder, alone, tmp_path):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as processes:
        victim = next(iter(processes.workers.values())).pid
        settings = batch(model, folder, tmp_path, scheduler=processes.scheduler_address)
        work = run(Model.load(model), find_items(settings), settings)
        first = next(work)  # tasks are on their way
        killer = threading.Timer(2, os.kill, (victim, signal.SIGKILL))
        killer.start()
        entries = {r.item.name: r.entry for r in (first, *work) if r.entry is not None}
        killer.join()

    assert not psutil.pid_exists(victim)
    assert {entry.state for entry in entries.values()} == {"done"}
    assert files(tmp_path) == alone[0]
    assert [p.name for p in tmp_path.glob(".*") if p.is_file()] == []


def test_an_item_of_a_series_keeps_its_file_and_its_point_of_time(tmp_path):
    item = Item("m.tif#t=1", Path("m.tif"), Path("out/m-t1.tif"), part="t=1")
    found = cluster._absolute_item(item)
    assert found.image == Path("m.tif").absolute()
    assert found.source.name == "m.tif#t=1"


def test_a_worker_that_dies_before_the_first_tile_is_told_as_any_other(monkeypatch):
    class Dead:
        def submit(self, *_, **__):
            return self

        def result(self):
            raise cluster.KilledWorker("precision", None, 3)

    workers = object.__new__(cluster.Cluster)
    workers._client, workers._order = Dead(), None
    monkeypatch.setattr(cluster.Cluster, "_over", lambda _, futures: set(futures))
    with pytest.raises(UserError, match="several workers died of it"):
        next(workers.tiles(Path("a.tif"), [], None))


def test_a_batch_that_is_given_up_leaves_no_process(model, folder, tmp_path):
    settings = batch(model, folder, tmp_path, scheduler="local:1")
    before = set(psutil.Process().children(recursive=True))
    work = run(Model.load(model), find_items(settings), settings)
    next(work)
    assert set(psutil.Process().children(recursive=True)) - before

    work.close()

    ended = time.monotonic() + 20
    while left := set(psutil.Process().children(recursive=True)) - before:
        assert time.monotonic() < ended, left
        time.sleep(0.1)


def test_a_scheduler_that_does_not_answer_is_named(
    model, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    settings = batch(model, folder, tmp_path, scheduler="tcp://127.0.0.1:9")

    with pytest.raises(UserError, match=r"tcp://127\.0\.0\.1:9.*dask scheduler"):
        went(settings)


@pytest.mark.parametrize("words", ["local:0", "local:two", "nowhere at all"])
def test_what_is_no_address_is_refused_before_any_work(
    model, folder, tmp_path, words, monkeypatch
):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)

    with pytest.raises(UserError, match="such as tcp://host:8786"):
        went(batch(model, folder, tmp_path, scheduler=words))


def test_a_scheduler_without_workers_is_not_waited_for_for_ever(
    model, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "_WORKERS_SECONDS", 1)
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address=None, silence_logs=50
        ) as empty,
        pytest.raises(UserError, match="dask worker"),
    ):
        went(batch(model, folder, tmp_path, scheduler=empty.scheduler_address))


def test_a_worker_with_another_version_is_named(model, folder, tmp_path, monkeypatch):
    here = cluster._version()
    monkeypatch.setattr(cluster, "_version", lambda: f"{here}-other")
    client = cluster.distributed.Client
    monkeypatch.setattr(client, "run", lambda *_: {"tcp://far:1": here})

    with pytest.raises(UserError, match=r"tcp://far:1 has sparseseg"):
        went(batch(model, folder, tmp_path, scheduler="local:1"))


def test_another_model_at_the_same_path_is_refused(model, folder, tmp_path):
    settings = batch(model, folder, tmp_path, scheduler="local:1")
    changed = Model.load(model)
    with_changed_weights = changed.network.state_dict()
    next(iter(with_changed_weights.values())).add_(1)

    found = [r.entry for r in run(changed, find_items(settings), settings) if r.entry]

    assert all("another model" in entry.error for entry in found)


def test_each_worker_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)

    names = ["0", "1", "2", "SLURMCluster-3", "tcp://10.0.0.1:4001", "gpu-node"]
    found = [device_of_worker("auto", name).index for name in names]

    assert found[:4] == [0, 1, 0, 1]
    assert found[5] == 0
    assert device_of_worker("cpu", "1").type == "cpu"
