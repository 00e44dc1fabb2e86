"""How much faster a batch is on two processes than on one, and whether it is the same.

`python benchmarks/cluster.py --workers 1 2` predicts a folder of volumes, and one volume
by tiles, and writes the seconds to `benchmarks/results/cluster.json`. Each worker has the
cores of the machine divided by their number. Seconds of the processor count all processes
from the start of the workers to their end, so other work on the machine counts little.
"""

import argparse
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import records

from sparseseg.batch.items import find_items
from sparseseg.batch.run import run
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.files import read, write_image
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.engine.model import Model
from sparseseg.engine.training import train
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--volumes", type=int, default=6)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/cluster.json")
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        model = _model(root / "m.safetensors", args.side)
        many, one = _volumes(root / "many", args.volumes, args.side), root / "one"
        _volumes(one, 1, 2 * args.side)
        for name, folder in (("folder", many), ("one volume", one)):
            alone = _run(model, folder, root / f"{name} alone", "")
            print({"what": name, "alone": asdict(alone)}, flush=True)
            for count in args.workers:
                output = root / f"{name} {count}"
                taken = _run(model, folder, output, f"local:{count}")
                row: dict[str, Any] = {
                    "what": name,
                    "side": args.side,
                    "workers": count,
                    **asdict(taken),
                    "alone": asdict(alone),
                    "same": _same(output, root / f"{name} alone"),
                }
                print(row, flush=True)
                records.append(args.out, row)


def _model(path: Path, side: int) -> Path:
    sample = blobs((side // 2, side, side), classes=1)
    case = sample.volume, SparseLabels(sample.annotation)
    settings = TrainSettings(steps=20, device="cpu")
    model = create([case], settings)
    for _ in train(model, [case], settings):
        pass
    model.save(path)
    return path


def _volumes(folder: Path, count: int, side: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        sample = blobs((side, side, side), classes=1, seed=seed)
        write_image(folder / f"{seed}.tif", sample.volume.array[0], like=sample.volume)
    return folder


@dataclass(frozen=True)
class Taken:
    """What a batch took."""

    starting: float
    """Seconds until the first volume begins."""
    seconds: float
    """From then on."""
    cpu: float
    """Seconds of the processor, of all processes."""


def _run(model: Path, folder: Path, output: Path, scheduler: str) -> Taken:
    settings = BatchSettings(
        model=str(model),
        folder=str(folder),
        output=str(output),
        device="cpu",
        scheduler=scheduler,
    )
    items = find_items(settings)
    loaded = Model.load(model)
    cpu, start, first = _cpu(), time.perf_counter(), 0.0
    for report in run(loaded, items, settings):
        first = first or time.perf_counter()
        assert report.state != "failed", report.entry
    seconds = time.perf_counter() - first
    return Taken(round(first - start, 1), round(seconds, 1), round(_cpu() - cpu, 1))


def _cpu() -> float:
    """Return the seconds of the processor of this process and of those that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _same(output: Path, other: Path) -> bool:
    paths = sorted(output.glob("*.tif"))
    return bool(paths) and all(
        np.array_equal(read(path).array, read(other / path.name).array)
        for path in paths
    )


if __name__ == "__main__":
    main()
