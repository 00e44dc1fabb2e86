"""What a journal costs and what a kill loses.

* A project of five volumes with 10,000 strokes: seconds to open it with one annotation
  and with all, seconds to replay all from the first entry, and bytes a stroke.
* A process paints by script, a hundred strokes a second, and looks at the annotation once
  a second, as the window does. It is killed at a random moment. Lost is a stroke that
  is not in the journal; its age is counted back from the kill.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import records
from numpy.typing import NDArray

from sparseseg.data.volume import Volume
from sparseseg.errors import Note, UserError
from sparseseg.project.keeper import Keeper
from sparseseg.project.project import JOURNAL, Project

_SHAPE = (128, 256, 256)
_BRUSH = 12
_LOOK_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--volumes", type=int, default=5)
    parser.add_argument("--strokes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--paint", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    out = Path(__file__).with_name("results") / "journal.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    if args.paint:
        paint_for_ever(args.paint, args.seed)
    with tempfile.TemporaryDirectory() as home:
        size = measure_size(Path(home) / "size", args.volumes, args.strokes)
        kills = measure_kills(Path(home) / "kills", args.kills)
    for row in (size, kills):
        print(row)
        records.append(args.out, row)


def made(folder: Path, volumes: int) -> Project:
    """Make a project of volumes of noise."""
    project = Project.new(folder)
    for seed in range(volumes):
        noise = np.random.default_rng(seed).integers(0, 255, _SHAPE, np.uint8)
        project.add_volume(Volume.from_array(noise, name=f"v{seed}"))
    return project


def brush(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the voxels of a stroke: a square on a slice of a random axis."""
    axis = int(random.integers(3))
    starts = [int(random.integers(0, side - _BRUSH)) for side in shape]
    place: list[Any] = [slice(start, start + _BRUSH) for start in starts]
    place[axis] = starts[axis]
    return tuple(place)


def measure_size(folder: Path, volumes: int, strokes: int) -> dict[str, Any]:
    """Paint strokes on all volumes; return seconds and bytes."""
    project = made(folder, volumes)
    names = [volume.name for volume in project.volumes]
    recorders = [project.recorder(n, project.annotation(n)) for n in names]
    random, took = np.random.default_rng(0), []
    for number in range(strokes):
        recorder = recorders[number * volumes // strokes]
        recorder.array[brush(random, _SHAPE)] = number % 3 + 1
        start = time.perf_counter()
        recorder.record("brush")
        took.append(time.perf_counter() - start)
    project.close()
    one, _ = timed(lambda: opened(folder, names[:1]))
    every, arrays = timed(lambda: opened(folder, names))
    replay, again = timed(lambda: replayed(folder, names))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, again, strict=True))
    size = (folder / JOURNAL).stat().st_size
    return {
        "what": "size",
        "volumes": volumes,
        "strokes": strokes,
        "shape": list(_SHAPE),
        "open_one_s": round(one, 3),
        "open_all_s": round(every, 3),
        "replay_all_s": round(replay, 3),
        "bytes_a_stroke": round(size / strokes),
        "write_ms_median": round(1000 * median(took), 2),
        "write_ms_99": round(1000 * float(np.quantile(took, 0.99)), 2),
    }


def opened(folder: Path, names: list[str]) -> list[NDArray[np.uint8]]:
    with Project(folder) as project:
        return [project.annotation(name) for name in names]


def replayed(folder: Path, names: list[str]) -> list[NDArray[np.uint8]]:
    with Project(folder, read_only=True) as project:
        return [project.replay(name) for name in names]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure_kills(folder: Path, kills: int) -> dict[str, Any]:
    """Kill a process that paints, again and again; return what was lost."""
    made(folder, 1).close()
    random = np.random.default_rng(0)
    ages: list[float] = []
    strokes = unreadable = 0
    for seed in range(kills):
        painted, killed = painted_until_killed(folder, seed, random.uniform(0.5, 4.0))
        strokes += len(painted)
        try:
            with warnings.catch_warnings(action="ignore", category=Note):
                (array,) = opened(folder, ["v0"])
        except UserError:
            unreadable += 1
            continue
        ages += [killed - when for when in lost(array, painted, seed % 250 + 1)]
    return {
        "what": "kills",
        "kills": kills,
        "strokes": strokes,
        "lost": len(ages),
        "oldest_lost_s": round(max(ages, default=0.0), 3),
        "older_than_a_second": sum(age > 1.0 for age in ages),
        "unreadable": unreadable,
    }


def painted_until_killed(
    folder: Path, seed: int, seconds: float
) -> tuple[list[tuple[float, int]], float]:
    """Return when each stroke was painted and its number, and when the kill was."""
    command = [sys.executable, __file__, "--paint", str(folder), "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as painter:
        assert painter.stdout is not None
        first = painter.stdout.readline()
        time.sleep(seconds)
        killed = time.time()
        painter.send_signal(signal.SIGKILL)
        lines = [first, *painter.stdout.read().splitlines()]
    words = [line.split() for line in lines if line.endswith((";", ";\n"))]
    return [(float(when), int(number)) for when, number, _ in words], killed


def paint_for_ever(folder: Path, seed: int) -> None:
    """Give each stroke voxels of its own, so that each can be found again."""
    keeper = Keeper(Project(folder), print)
    array = keeper.project.annotation("v0")
    keeper.follow("v0", array)
    array[...] = 0
    looked = time.time()
    for number in range(array.size // 16):
        array.reshape(-1, 16)[number] = seed % 250 + 1
        print(time.time(), number, ";", flush=True)
        if time.time() - looked >= _LOOK_SECONDS:
            looked = time.time()
            keeper.look("v0", "script")
        time.sleep(0.01)


def lost(
    array: NDArray[np.uint8], painted: list[tuple[float, int]], value: int
) -> list[float]:
    """Return when those strokes were painted that are not there with their value."""
    there = (array.reshape(-1, 16) == value).all(axis=1)
    return [when for when, number in painted if not there[number]]


if __name__ == "__main__":
    main()
