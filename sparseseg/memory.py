"""How much memory this process may take: the job's, where it has less than the computer."""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from sparseseg.errors import UserError
from sparseseg.language import say

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_GB = 2**30
_MB = 2**20
_ROOT = Path("/sys/fs/cgroup")
_GROUPS = Path("/proc/self/cgroup")
_SLURM = (
    ("SLURM_MEM_PER_NODE", ""),
    ("SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"),
    ("SLURM_MEM_PER_GPU", "SLURM_GPUS_ON_NODE"),
)
"""Megabytes, and of what: of the node, of each core, of each GPU."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be taken, and what is taken of it, in bytes."""

    most: int
    used: int
    name: str
    """Who sets it, in words."""

    @property
    def free(self) -> int:
        """The bytes that are left."""
        return max(0, self.most - self.used)


def memory_limit() -> Limit:
    """Return the tightest limit: the computer's, the container's or the cluster job's."""
    return min(_limits(), key=lambda limit: limit.most)


def free_memory() -> int:
    """Return how many bytes this process may still take."""
    return min(limit.free for limit in _limits())


def check_memory(wanted: int) -> None:
    """Raise `UserError` for more bytes than this process may take."""
    limit = memory_limit()
    if wanted > limit.most:
        raise UserError(
            "{wanted:.1f} GB of memory are wanted, and the limit of {name} "
            "is {most:.1f} GB: give --memory {megabytes}MB or less",
            wanted=wanted / _GB,
            name=limit.name,
            most=limit.most / _GB,
            megabytes=limit.most // _MB,
        )


def parse_size(words: str) -> int:
    """Return the bytes of a size such as 4GB; raise `UserError` for what is none."""
    found = _SIZE.fullmatch(words.strip())
    if not found:
        raise UserError(
            "a size of memory is like 4GB or 800MB, got {words!r}", words=words
        )
    return int(float(found.group(1)) * _UNITS[found.group(2).lower()])


def _limits() -> Iterator[Limit]:
    memory = psutil.virtual_memory()
    yield Limit(memory.total, memory.total - memory.available, say("this computer"))
    yield from _groups()
    slurm = _slurm_bytes()
    if slurm:
        used = psutil.Process().memory_info().rss
        yield Limit(slurm, used, say("this Slurm job"))


def _groups() -> Iterator[Limit]:
    """Yield the limits of the control groups of this process, of version 1 or 2.

    Files: kernel documentation, admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
    """
    for kind, path in _own_groups():
        if kind == "":
            root, names = _ROOT, ("memory.max", "memory.current", "inactive_file")
        else:
            root = _ROOT / "memory"
            names = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        group = root / path.lstrip("/")
        # A container often sees its own group as the root, under a path that is not here.
        for folder in (group, *group.parents):
            found = _limit_of(folder, *names)
            if found is not None:
                yield found
            if folder == root:
                break


def _own_groups() -> Iterator[tuple[str, str]]:
    """Yield "" for version 2 or "memory" for version 1, and the path of the group."""
    for line in _text(_GROUPS).splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and (parts[1] == "" or "memory" in parts[1].split(",")):
            yield ("" if parts[1] == "" else "memory"), parts[2]


def _limit_of(folder: Path, most: str, used: str, cache: str) -> Limit | None:
    """Read the limit of one group; what only caches files counts as free."""
    limit, usage = _text(folder / most).strip(), _text(folder / used).strip()
    if not (limit.isdigit() and usage.isdigit()):
        return None  # there is no such file, or it says "max"
    rows = (line.split() for line in _text(folder / "memory.stat").splitlines())
    cached = sum(int(r[1]) for r in rows if len(r) == 2 and r[0] == cache)
    return Limit(int(limit), max(0, int(usage) - cached), say("this container or job"))


def _slurm_bytes() -> int | None:
    """Return what Slurm gives this job on this node, None if it does not say.

    Variables: sbatch(1), of --mem, --mem-per-cpu and --mem-per-gpu; 0 is all of the node.
    """
    for each, count in _SLURM:
        megabytes, times = os.environ.get(each, ""), os.environ.get(count, "")
        if not count:
            times = "1"
        if megabytes.isdigit() and times.isdigit() and int(megabytes) * int(times):
            return int(megabytes) * int(times) * _MB
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def give_back() -> None:
    """Give the system what is free, but kept by the C library for later.

    After thousands of arrays of all sizes that is more than what is in use. Only the C
    library of Linux can be asked.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has none
            ctypes.CDLL(None).malloc_trim(0)
