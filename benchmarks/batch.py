"""What a batch takes: peak memory and voxels a second, for volumes larger than it.

A volume of random blobs is written as uncompressed TIFF, and predicted by `sparseseg
batch` in a process of its own whose resident memory is watched. With --seconds the
process is stopped after that time: the peak is then that of the tiles that were done.
With --killed-after it is killed after that time, and the same command goes on from there.
With --folder the files stay, and the same command goes on with a volume that it began.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import records
import tifffile

from sparseseg.data import samples
from sparseseg.data.atomic import replacing
from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import annotate_slices
from sparseseg.starting import fit


def main() -> None:
    args = _parser().parse_args()
    for size in args.gigabytes:
        row = measure(size, args)
        records.append(args.out, row)
        print(row, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", nargs="+", type=float, default=[1.0, 4.0, 16.0])
    parser.add_argument("--kind", choices=("uint16", "float32"), default="uint16")
    parser.add_argument("--memory", default="2GB")
    parser.add_argument(
        "--model", help="another than a fresh one of the default recipe"
    )
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="a model of slices across z alone, which looks at planes across z alone",
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="0 for to the end")
    parser.add_argument("--killed-after", type=float, help="seconds, then to the end")
    parser.add_argument("--folder", type=Path, help="keep the files here, and go on")
    out = Path(__file__).with_name("results") / "batch.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    return parser


def measure(gigabytes: float, args: argparse.Namespace) -> dict[str, Any]:
    """Predict a volume of so many GB, and return what it took."""
    with _place(args.folder, f"{gigabytes:g}-{args.kind}") as folder:
        model = args.model or _model(folder, is_parallel=args.parallel)
        shape = _volume(folder / "in" / "big.tif", gigabytes, args.kind)
        command = [sys.executable, "-m", "sparseseg", "batch", str(model)]
        command += [f"{folder}/in", "-o", f"{folder}/out", "--memory", args.memory]
        is_begun = (folder / "out").exists()  # by an earlier command: it has no rate
        ends = (
            [args.killed_after, args.seconds] if args.killed_after else [args.seconds]
        )
        runs = [_run([*command, "--lines", "--json"], end) for end in ends]
    last = runs[-1]
    voxels = int(np.prod(shape))
    took, cpu = sum(run.seconds for run in runs), sum(run.cpu for run in runs)
    return {
        "model": args.model and Path(args.model).name,
        "parallel": args.parallel,
        "gigabytes": gigabytes,
        "kind": args.kind,
        "shape": list(shape),
        "memory": args.memory,
        "peak_mib": max(run.peak for run in runs) >> 20,
        "peak_anonymous_mib": max(run.anonymous for run in runs) >> 20,
        "peak_mib_by_twentieth": _twentieths(runs),
        "share_done": round(last.done, 4),
        "killed_at_share": [round(run.done, 4) for run in runs[:-1]],
        "seconds": round(took, 1),
        "voxels_a_second": None if is_begun else round(voxels * last.done / took),
        # Of the processor: other work on the machine counts little in it.
        "voxels_a_cpu_second": (
            round(voxels * last.done / cpu) if cpu and not is_begun else None
        ),
        "first_report_after": round(last.first, 1),
    }


@contextmanager
def _place(folder: Path | None, name: str) -> Iterator[Path]:
    """Give the folder of one volume: one that stays, or one that goes afterwards."""
    if folder is None:
        with tempfile.TemporaryDirectory() as fresh:
            yield Path(fresh)
        return
    (folder / name).mkdir(parents=True, exist_ok=True)
    yield folder / name


def _twentieths(runs: "list[_Run]") -> list[int]:
    """Return the most MiB in each twentieth of the volume: flat, or growing."""
    told = [pair for run in runs for pair in run.peaks.items()]
    parts = sorted({part for part, _ in told})
    return [max(peak for at, peak in told if at == part) >> 20 for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What one process took, to its end or until it was killed."""

    done: float
    seconds: float
    first: float
    """Seconds until it told anything."""
    cpu: float
    peak: int
    anonymous: int
    peaks: dict[int, int]
    """The peak in each twentieth of the volume that was reached."""


def _run(command: list[str], seconds: float) -> _Run:
    """Run a batch, and kill it after so many seconds, 0 for not at all."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        watch = _Watch(process.pid)
        done, began, first = _followed(process, seconds, watch)
        took = time.perf_counter() - began
        watch.stop()
    return _Run(
        done=done,
        seconds=took,
        first=first,
        cpu=watch.cpu,
        peak=watch.peak,
        anonymous=watch.anonymous,
        peaks=watch.peaks,
    )


def _model(folder: Path, *, is_parallel: bool) -> Path:
    sample = samples.blobs((32, 64, 64))
    across_z = annotate_slices(sample.truth, (3, 0, 0))
    case = sample.volume, SparseLabels(across_z if is_parallel else sample.annotation)
    path = folder / "model.safetensors"
    if path.exists():
        return path
    fit([case], steps=30, device="cpu").save(path)
    return path


def _volume(path: Path, gigabytes: float, kind: str) -> tuple[int, int, int]:
    """Write a volume plane by plane, so that it is never in memory."""
    side = 1024
    depth = max(8, round(gigabytes * 2**30 / np.dtype(kind).itemsize / side**2))
    if path.exists():
        return depth, side, side
    rng = np.random.default_rng(0)
    plane = rng.normal(200, 60, (side, side)).clip(0, 4000).astype(kind)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as beside, tifffile.TiffWriter(beside, bigtiff=True) as writer:
        writer.write(
            (np.roll(plane, 7 * z, 0) for z in range(depth)),
            shape=(depth, side, side),
            dtype=kind,
            metadata={"axes": "ZYX"},
            photometric="minisblack",
        )
    return depth, side, side


def _followed(
    process: "subprocess.Popen[bytes]", seconds: float, watch: "_Watch"
) -> tuple[float, float, float]:
    """Return the share that was done, when it began, and when it was first told."""
    begin = time.perf_counter()
    done, first = 0.0, 0.0
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if "state" not in event or event["state"] == "failed":
            continue
        done = watch.done = max(done, event["done"])
        first = first or time.perf_counter() - begin
        if seconds and time.perf_counter() - begin > seconds:
            process.kill()
            break
    process.wait()
    return done, begin, first


class _Watch:
    """The most resident memory of a process: all, and what no file is behind."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/status")
        self._ends = threading.Event()
        self.peak = self.anonymous = 0
        self.done = 0.0
        self.peaks: dict[int, int] = {}
        self.cpu = 0.0
        self._process = psutil.Process(pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(0.05):
            try:
                lines = self._path.read_text().splitlines()
                times = self._process.cpu_times()
            except (OSError, psutil.Error):
                return
            self.cpu = times.user + times.system
            told = {
                line.split(":")[0]: line.split()[1] for line in lines if "kB" in line
            }
            now = int(told.get("VmRSS", 0)) << 10
            part = min(int(self.done * 20), 19)
            self.peaks[part] = max(self.peaks.get(part, 0), now)
            self.peak = max(self.peak, now)
            self.anonymous = max(self.anonymous, int(told.get("RssAnon", 0)) << 10)


if __name__ == "__main__":
    main()
