"""Make a data folder of kinds that nobody tuned to, from files that others test with.

    git clone https://github.com/wasserth/TotalSegmentator            # Apache-2.0
    git clone https://github.com/spinalcordtoolbox/sct_testing_data   # MIT
    python benchmarks/further_volumes.py TotalSegmentator sct_testing_data -o FOLDER
    python benchmarks/layouts.py --data FOLDER --answers

A torso in CT and an abdomen in MR (what a network said is taken for true), and the spinal
cord in two contrasts of MR (painted by people). Nothing of it is in the repository.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume: NAME/ID, its files, and of which numbers a class is made."""

    name: str
    image: str
    labels: str
    classes: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"cord": [1]})


_TOTAL = [
    _Source(
        "ct_torso/a",
        "tests/reference_files/example_ct.nii.gz",
        "tests/reference_files/example_seg_fast_force_split.nii.gz",
        {
            "spleen": [1],
            "kidneys": [2, 3],
            "liver": [5],
            "bones": [*range(25, 34), 77, 78, *range(92, 118)],
            "muscles": range(80, 90),
            "bowel": [18, 20],
        },
    ),
    _Source(
        "mr_abdomen/m",
        "tests/reference_files/example_mr_sm.nii.gz",
        "tests/reference_files/example_seg_mr.nii.gz",
        {"liver": [5], "spleen": [1], "kidneys": [2, 3], "back muscles": [46, 47]},
    ),
]
_CORDS = [
    _Source("mr_spine/t2", "t2/t2.nii.gz", "t2/t2_seg-manual.nii.gz"),
    _Source("mr_spine/t1", "t1/t1w.nii.gz", "t1/t1w_seg-manual.nii.gz"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("totalsegmentator", type=Path, help="a clone of it")
    parser.add_argument("cords", type=Path, help="a clone of sct_testing_data")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    every = [(args.totalsegmentator, s) for s in _TOTAL]
    every += [(args.cords, s) for s in _CORDS]
    found: dict[str, list[dict[str, Any]]] = {}
    for clone, source in every:
        folder, _, identity = source.name.partition("/")
        (args.out / folder).mkdir(parents=True, exist_ok=True)
        found.setdefault(folder, []).append(
            _written(clone, source, args.out / folder, identity)
        )
    for folder, entries in found.items():
        facts = json.dumps({"volumes": entries}, indent=1) + "\n"
        (args.out / folder / "meta.json").write_text(facts)


def _written(
    clone: Path, source: _Source, folder: Path, identity: str
) -> dict[str, Any]:
    """Write image and labels of a volume, and return its entry in meta.json."""
    image = nibabel.load(clone / source.image)
    numbers = np.asanyarray(nibabel.load(clone / source.labels).dataobj)
    labels = np.zeros(numbers.shape, np.uint8)
    for value, members in enumerate(source.classes.values(), start=1):
        labels[np.isin(numbers, [*members])] = value
    grey = np.asanyarray(image.dataobj).astype(np.int16)
    files = {}
    for kind, array in (("image", grey), ("labels", labels)):
        files[kind] = f"{identity}_{kind}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(array, image.affine), folder / files[kind])
    x, y, z = map(float, image.header.get_zooms()[:3])
    return {"id": identity, "files": files, "spacing_zyx": [z, y, x], "unit": "mm"}


if __name__ == "__main__":
    main()
