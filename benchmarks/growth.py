"""What work costs as it grows: in voxels, classes, channels, slices and volumes.

    python benchmarks/growth.py [--axes classes slices]

Each point is a process of its own on made-up blobs, on one thread. Seconds are those of the
CPU, so that other work on the machine counts little; `ram_mib` is the most that the process
took. With each axis comes the steepest power by which a cost grew from its second last
point to its last: 1 is linear.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch

from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.data.slices import annotate_slices
from sparseseg.engine.held_out import HeldOut
from sparseseg.engine.predictor import network_probabilities
from sparseseg.engine.score.gathering import gather
from sparseseg.engine.training import train
from sparseseg.recipes import Case, Scene
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

_STEPS = 10
_COSTS = ("start", "step", "preview", "prediction", "referee", "estimate", "ram_mib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the work is, along each axis that it can grow by."""

    voxels: int = 64
    """Along each side of a volume."""
    classes: int = 2
    channels: int = 1
    slices: int = 3
    """Across each axis."""
    volumes: int = 1

    def along(self, axis: str) -> int:
        """Return what a cost that is linear in an axis is linear in."""
        value: int = getattr(self, axis)
        return value**3 if axis == "voxels" else value


AXES: dict[str, tuple[int, ...]] = {
    "voxels": (48, 64, 96, 128),
    "classes": (1, 2, 4, 8),
    "channels": (1, 2, 4),
    "slices": (1, 3, 9, 18),
    "volumes": (1, 2, 4),
}


def main() -> None:
    args = _parser().parse_args()
    for axis in args.axes:
        for value in AXES[axis]:
            key = {"axis": axis, "value": value, "size": asdict(Size(**{axis: value}))}
            if not records.has(args.out, key):
                with get_context("spawn").Pool(1) as pool:
                    measured = pool.apply(measure, (Size(**{axis: value}),))
                records.append(args.out, {**key, **measured})
        print(axis, json.dumps(powers(points(args.out, axis), axis)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES))
    out = Path(__file__).with_name("results") / "growth.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def measure(size: Size) -> dict[str, Any]:
    """Return the seconds of each part of the work, and the memory of the process."""
    torch.set_num_threads(1)
    cases = [_case(size, seed) for seed in range(size.volumes)]
    settings = TrainSettings(steps=_STEPS + 1, device="cpu", held_out=False)
    begin = time.process_time()
    model = create(cases, settings)
    steps = train(model, cases, settings)
    next(steps)
    seconds = {"start": time.process_time() - begin}
    begin = time.process_time()
    for _ in steps:
        pass
    seconds["step"] = (time.process_time() - begin) / _STEPS
    scenes = [Scene.of(model.plan, *case) for case in cases]
    z, y, x = scenes[0].volume.shape
    whole = Box.whole((z, y, x))
    for name, box in {
        "preview": replace(whole, stop=(1, y, x)),
        "prediction": whole,
    }.items():
        begin = time.process_time()
        network_probabilities(model, scenes[0], box)
        seconds[name] = time.process_time() - begin
    seconds["referee"] = _drained(_refereed(model, scenes))
    labels = [labels for _, labels in cases]
    seconds["estimate"] = _drained(gather(model, scenes, labels, "network"))
    return {**seconds, "ram_mib": records.peak_memory()["ram_mib"]}


def _refereed(model: Any, scenes: list[Scene]) -> Iterator[Any]:
    """Compare all answers on what is left out, as training does."""
    held_out = HeldOut(True)
    held_out.choose(scenes)
    yield from held_out.score(model, scenes, 1, 0.0, at_once=True)


def _drained(work: Iterator[Any]) -> float:
    begin = time.process_time()
    for _ in work:
        pass
    return time.process_time() - begin


def _case(size: Size, seed: int) -> Case:
    side = size.voxels
    sample = blobs((side, side, side), classes=size.classes, seed=seed)
    annotation = annotate_slices(sample.truth, (size.slices,) * 3)
    noise = np.random.default_rng(seed)
    channels = [
        sample.volume.array[0] + noise.normal(0, 5, sample.truth.shape)
        for _ in range(size.channels)
    ]
    volume = replace(sample.volume, array=np.stack(channels).astype(np.float32))
    return volume, SparseLabels(annotation, table=sample.table)


def points(path: Path, axis: str) -> list[dict[str, Any]]:
    """Return the measured points of an axis, the smallest first."""
    found = [row for row in records.rows(path) if row["axis"] == axis]
    return sorted(found, key=lambda row: row["value"])


def powers(points: list[dict[str, Any]], axis: str) -> dict[str, float]:
    """Return by which power each cost grew between the last two points of an axis."""
    before, last = (Size(**point["size"]).along(axis) for point in points[-2:])
    return {
        cost: round(_power(points[-1][cost] / points[-2][cost], last / before), 2)
        for cost in _COSTS
    }


def _power(cost: float, size: float) -> float:
    return math.log(cost) / math.log(size)


if __name__ == "__main__":
    main()
