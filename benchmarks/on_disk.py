"""How soon a training on a volume on disk begins, and how much of the volume it reads.

The volumes are those of `large.py`, of growing size. Three slices are annotated in part.
It is the engine alone, without the window.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
from large import blobs, write
from numpy.typing import NDArray

from sparseseg.data.files import open_volume
from sparseseg.data.labels import SparseLabels
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume
from sparseseg.engine.training import work
from sparseseg.progress import Step
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create

_PAINTED = 400  # voxels along the sides of what is painted


def main() -> None:
    args = _parser().parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure), args.steps)))
        return
    with tempfile.TemporaryDirectory() as home:
        for side in args.sides:
            path = Path(home) / f"blobs{side}.zarr"
            write(path, side)
            # A process of its own, because the most memory is that of all its life.
            again = [sys.executable, __file__, "--steps", str(args.steps)]
            found = subprocess.check_output([*again, "--measure", str(path)], text=True)
            row = {"side": side, **json.loads(found.splitlines()[-1])}
            records.append(args.out, row)
            print(json.dumps(row), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    out = Path(__file__).with_name("results") / "on_disk.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


class Counting:
    """Blocks of a file, which count how many voxels are read of them."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self.shape, self.dtype = stored.shape, stored.dtype
        self.read = 0

    def __getitem__(self, places: Sequence[slice]) -> NDArray[Any]:
        found = np.asarray(self._stored[places])
        self.read += found.size
        return found


def measure(path: Path, steps: int) -> dict[str, Any]:
    """Train for a few steps, and return what it took."""
    volume, counting = counted(path)
    labels = SparseLabels(painted(volume.shape[0]))
    cases, settings = [(volume, labels)], TrainSettings(steps=steps)
    passed = _Passed()
    model = create(cases, settings)
    found = {**passed.since("create")}
    for item in work(model, cases, settings):
        if isinstance(item, Step) and item.step == 1:
            found |= passed.since("first_step")
            found["read_to_first_step"] = round(counting.read / volume.array.size, 2)
    found |= passed.since("end")
    found["read"] = round(counting.read / volume.array.size, 2)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "gigabytes": round(most / 2**20, 2)}


class _Passed:
    """Seconds since it was made, of the clock and of the processor."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), time.process_time()

    def since(self, name: str) -> dict[str, float]:
        """Return both, with a name of what they lead to."""
        clock, processor = self._begin
        return {
            f"seconds_to_{name}": round(time.perf_counter() - clock, 1),
            f"cpu_seconds_to_{name}": round(time.process_time() - processor, 1),
        }


def counted(path: Path) -> tuple[Volume, Counting]:
    """Open a volume so that what is read of it is counted."""
    stored: Any = open_volume(path, at_most=1).array
    counting = Counting(stored._source)
    return Volume(OnDisk(counting, "zyx"), name=path.name), counting


def painted(side: int) -> NDArray[np.uint8]:
    """Label a part of a slice across each axis, as a person would in a while."""
    half = min(_PAINTED, side) // 2
    part = slice(side // 2 - half, side // 2 + half)
    middle = slice(side // 2, side // 2 + 1)
    annotation = np.zeros((side,) * 3, np.uint8)
    whole = blobs(slice(0, side), side)
    for axis in range(3):
        box = tuple(middle if n == axis else part for n in range(3))
        annotation[box] = np.where(whole[box] > 0.3, 1, 255)
    return annotation


if __name__ == "__main__":
    main()
