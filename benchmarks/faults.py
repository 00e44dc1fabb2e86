"""What a project does on a disk that is full, and on one that becomes read-only.

Both are real: a file system in memory of a few megabytes, which only root may mount. A
script paints until the disk is full, paints on, and then makes room. `tests/project` has
the faults that can be tried everywhere.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import records

from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.project.keeper import Keeper
from sparseseg.project.project import JOURNAL, Project

_SHAPE = (16, 64, 64)
_MEGABYTES = 4
_BALLAST = 2 * 2**20  # bytes, which are given back when the disk is full
_AFTER = 50  # strokes on the full disk


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    out = Path(__file__).with_name("results") / "faults.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    with small_disk() as disk:
        for row in (full_disk(disk), read_only_disk(disk)):
            print(row)
            records.append(args.out, row)


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a file system of a few megabytes."""
    with tempfile.TemporaryDirectory() as place:
        size = f"size={_MEGABYTES}m"
        subprocess.check_call(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place])
        try:
            yield Path(place)
        finally:
            subprocess.check_call(["umount", place])


def full_disk(disk: Path) -> dict[str, Any]:
    """Paint until the disk is full and further, make room, and count what is there."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(_BALLAST))
    heard: list[Any] = []
    project = made(disk / "project")
    array = project.annotation("noise")
    keeper = Keeper(project, heard.append)
    keeper.follow("noise", array)
    random, strokes = np.random.default_rng(0), 0
    while not heard:
        strokes += paint(keeper, array, random)
    for _ in range(_AFTER):
        strokes += paint(keeper, array, random)
    size = (disk / "project" / JOURNAL).stat().st_size
    on_disk = project.journal.annotation("noise")
    ballast.unlink()
    begin = time.perf_counter()
    keeper.look("noise", "script")
    keeper.close()
    seconds = time.perf_counter() - begin
    with Project(disk / "project", read_only=True) as again:
        now, replayed = again.annotation("noise"), again.replay("noise")
    return {
        "fault": "full disk",
        "megabytes": _MEGABYTES,
        "strokes": strokes,
        "journal_megabytes": round(size / 2**20, 2),
        "voxels_waiting": int(np.count_nonzero(on_disk != array)),
        "voxels_lost": int(np.count_nonzero(now != array)),
        "replay_differs": bool((now != replayed).any()),
        "seconds_to_write_them": round(seconds, 3),
        "said": {event.words.replace(str(disk), "...") for event in heard}.pop(),
        "kinds": sorted({type(event).__name__ for event in heard}),
    }


def made(folder: Path) -> Project:
    """Make a project of a small volume of noise."""
    noise = np.random.default_rng(0).integers(0, 255, _SHAPE, np.uint8)
    project = Project.new(folder)
    project.add_volume(Volume.from_array(noise, name="noise"))
    return project


def paint(
    keeper: Keeper[Project], array: np.ndarray, random: np.random.Generator
) -> int:
    """Paint noise on a part of a slice, which cannot be compressed, and wait for it."""
    z, y, x = (int(random.integers(0, side - 15)) for side in _SHAPE)
    array[z, y : y + 16, x : x + 16] = random.integers(1, 255, (16, 16))
    keeper.look("noise", "brush")
    keeper.ask(lambda _: None).result()
    return 1


def read_only_disk(disk: Path) -> dict[str, Any]:
    """Open a project on a disk that is read-only, for work and to read."""
    subprocess.check_call(["mount", "-o", "remount,ro", str(disk)])
    try:
        Project(disk / "project")
        said = "nothing"
    except UserError as error:
        said = str(error).replace(str(disk), "...")
    with Project(disk / "project", read_only=True) as project:
        readable = bool(project.annotation("noise").any() and project.info())
    return {"fault": "read-only disk", "said": said, "can_be_read": readable}


if __name__ == "__main__":
    main()
