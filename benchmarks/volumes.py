"""The volumes that are measured on: the shipped sample, and a folder of others.

A data folder holds NAME/meta.json for each set: `volumes` lists for each its `id`,
`files` (`image` and `labels`, TIFF or NIfTI), `spacing_zyx` and `unit`. Labels are
dense: 0 for background, 1..K for classes. A volume is called NAME/ID. `tubes` is made by
`tubes.py`.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import strokes
import tubes
from numpy.typing import NDArray

from sparseseg.data.files import read, read_truth
from sparseseg.data.samples import ovule_nuclei
from sparseseg.data.slices import annotate_slices
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError

SAMPLE = "sample"
TUBES = "tubes"
VARIABLE = "SPARSESEG_DATA"


@dataclass(frozen=True, eq=False)
class Case:
    """A volume, its dense truth, and the annotation cut from it."""

    volume: Volume
    truth: NDArray[Any]
    annotation: NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --data and --volumes."""
    default = os.environ.get(VARIABLE)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(default) if default else None,
        help=f"folder of data sets; without it, or {VARIABLE}, only the sample",
    )
    parser.add_argument(
        "--volumes",
        nargs="+",
        metavar="NAME/ID",
        help=f"default: all of the folder, or {SAMPLE!r}, the one that is shipped",
    )


def chosen(args: argparse.Namespace) -> list[str]:
    """Return the names of the volumes that were asked for."""
    return args.volumes or (names(args.data) if args.data else [SAMPLE])


def names(data: Path) -> list[str]:
    """Return NAME/ID of each volume in a data folder."""
    found = [
        f"{path.parent.name}/{entry['id']}"
        for path in sorted(data.glob("*/meta.json"))
        for entry in json.loads(path.read_text())["volumes"]
    ]
    if not found:
        raise UserError(f"there is no NAME/meta.json in {data}: check --data")
    return found


def load(
    name: str, data: Path | None, slices: tuple[int, int, int], shift: float
) -> Case:
    """Read a volume and annotate whole slices of it: counts across z, y, x."""
    volume, truth = _dense(name, data)
    return Case(volume, truth, annotate_slices(truth, slices, shift=shift))


def load_with_strokes(
    name: str, data: Path | None, slices: tuple[int, int, int], seed: int
) -> Case:
    """Read a volume and annotate it with a few strokes on each of these slices."""
    volume, truth = _dense(name, data)
    whole = annotate_slices(truth, slices)
    return Case(volume, truth, strokes.kept(whole, slices, seed))


def _dense(name: str, data: Path | None) -> tuple[Volume, NDArray[Any]]:
    if name == TUBES:
        return tubes.made()
    return _sample() if name == SAMPLE else _from_folder(name, data)


def _sample() -> tuple[Volume, NDArray[Any]]:
    sample = ovule_nuclei()
    return sample.volume, sample.truth


def _from_folder(name: str, data: Path | None) -> tuple[Volume, NDArray[Any]]:
    if data is None:
        raise UserError(f"{name} needs a data folder: give --data or set {VARIABLE}")
    folder = data / name.partition("/")[0]
    entry = _entry(folder, name.partition("/")[2])
    # Further channels have files of their own: image_t1c and the like.
    names = [name for name in entry["files"] if name.startswith("image")]
    channels = [read(folder / entry["files"][name]).array for name in names]
    volume = Volume.from_array(
        np.concatenate(channels),
        spacing=tuple(entry["spacing_zyx"]),
        unit=entry["unit"],
        name=name,
        channel_axis=0,
    )
    return volume, read_truth(folder / entry["files"]["labels"]).astype(np.uint8)


def _entry(folder: Path, identity: str) -> dict[str, Any]:
    path = folder / "meta.json"
    if not path.is_file():
        raise UserError(f"there is no {path}: check --data and the volume's name")
    entries = {entry["id"]: entry for entry in json.loads(path.read_text())["volumes"]}
    if identity not in entries:
        raise UserError(
            f"{folder.name} has no volume {identity!r}: {', '.join(entries)}"
        )
    result: dict[str, Any] = entries[identity]
    return result
