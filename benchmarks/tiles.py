"""What the size of a tile costs: voxels a second of the processor by `three-view`.

A cube inside a volume of noise is predicted by a fresh network on one thread, in the
precision that is fastest. Seconds are those of the CPU, so that other work on the machine
counts little. Reading the same cube with its surroundings from files is timed beside.
With --shares PyTorch's profiler tells which operators take the time.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import records
import tifffile
import torch
import zarr
from torch.profiler import ProfilerActivity, profile

from sparseseg.boxes import Box
from sparseseg.data.files import open_volume
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.prediction import tune
from sparseseg.engine.predictor import network_probabilities
from sparseseg.recipes import Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

_DEAREST = 10
_AROUND = 60
"""Voxels that a tile reads beyond its borders, about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 182, 255])
    out = Path(__file__).with_name("results") / "tiles.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    parser.add_argument("--shares", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    side = max(args.sides) + 2 * _AROUND
    noise = np.random.default_rng(0).integers(0, 1000, (1, side, side, side))
    volume = Volume(noise.astype(np.uint16))
    rows = [*predicted(volume, args.sides, shares=args.shares), *read(volume)]
    records.write(args.out, rows)


def predicted(
    volume: Volume, sides: list[int], *, shares: bool
) -> list[dict[str, Any]]:
    sample = blobs((48, 48, 48))
    case = sample.volume, SparseLabels(sample.annotation)
    model = create([case], TrainSettings())
    tune(model, volume)
    rows = []
    for side in sides:
        start = (volume.shape[0] - side) // 8 * 4
        box = Box((start,) * 3, (start + side,) * 3)
        scene = Scene.of(model.plan, volume)
        begin = time.process_time()
        network_probabilities(model, scene, box)
        seconds = time.process_time() - begin
        precision = str(model.precision)
        rows.append({"side": side, "seconds": seconds, "precision": precision})
        rows[-1]["voxels_a_second"] = round(side**3 / seconds)
        if shares:
            rows[-1]["shares"] = shares_of(model, scene, box)
        print(rows[-1], flush=True)
    return rows


def shares_of(model: Model, scene: Scene, box: Box) -> dict[str, float]:
    """Return which share of the time each of the dearest operators takes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        network_probabilities(model, scene, box)
    events = profiled.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    events = sorted(events, key=lambda event: -event.self_cpu_time_total)[:_DEAREST]
    return {e.key: round(e.self_cpu_time_total / total, 3) for e in events}


def read(volume: Volume) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        voxels = np.asarray(volume.array[0])
        tifffile.imwrite(f"{folder}/a.tif", voxels, photometric="minisblack")
        zarr.create_array(f"{folder}/a.zarr", data=voxels, chunks=(64, 64, 64))
        for name in ("a.tif", "a.zarr"):
            opened = open_volume(f"{folder}/{name}", at_most=0)
            begin = time.process_time()
            np.asarray(opened.array[:, :302, :302, :302])
            seconds = time.process_time() - begin
            rows.append({"read": name, "side": 302, "seconds": round(seconds, 3)})
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
