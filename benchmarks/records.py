"""The rows of a results file, written one by one, and the machine they come from."""

import json
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sparseseg.data.atomic import replacing

Row = Mapping[str, Any]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a results file, none if there is no file yet."""
    return json.loads(path.read_text()) if path.exists() else []


def append(path: Path, row: Row) -> None:
    """Add a row to a results file, atomically, with the machine and the date."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    write(path, [*rows(path), {**row, "machine": machine(), "date": date}])


def write(path: Path, all_rows: Sequence[Row]) -> None:
    """Write a results file atomically: JSON with one row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(map(json.dumps, all_rows))
    with replacing(path) as beside:
        beside.write_text(f"[\n{lines}\n]\n")


def has(path: Path, key: Row) -> bool:
    """Return whether a row agrees with all of `key`."""
    plain = json.loads(json.dumps(key))
    return any(plain == {name: row.get(name) for name in plain} for row in rows(path))


def machine() -> dict[str, Any]:
    """Return what decides how fast this machine is."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "torch": torch.__version__,
    }


def peak_memory() -> dict[str, int | None]:
    """Return the most MiB that this process, and its GPU tensors, have taken."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    ram = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    gpu = torch.cuda.is_available()
    return {
        "ram_mib": ram,
        "gpu_mib": torch.cuda.max_memory_allocated() // 2**20 if gpu else None,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(models, platform.processor() or platform.machine())
