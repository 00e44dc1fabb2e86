"""Make a data folder of kinds that nobody tuned to, from files that others test with.

    mkdir clones; cd clones
    git clone https://github.com/wasserth/TotalSegmentator            # Apache-2.0
    git clone https://github.com/spinalcordtoolbox/sct_testing_data   # MIT
    git clone https://github.com/janelia-flyem/neuroproof_examples    # CC BY 3.0
    git clone https://github.com/voxelmorph/voxelmorph                # a scan of OASIS
    cd ..; python benchmarks/further_volumes.py clones -o FOLDER
    python benchmarks/layouts.py --data FOLDER --answers

A torso in CT and an abdomen in MR (what a network said is taken for true), the spinal
cord in two contrasts of MR (painted by people), membranes of neurons in an isotropic EM
volume, and a brain in MR without its skull (parts found by software). Nothing of it is in
the repository.
"""

import argparse
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as imageio
import nibabel
import numpy as np
from skimage.segmentation import find_boundaries

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Case:
    """Grey values and the numbers of structures, x y z, and how they lie in millimetres."""

    grey: Array
    numbers: Array
    affine: Array


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume: NAME/ID, how it is read from the clones, of which numbers a class is made."""

    name: str
    read: Callable[[Path], _Case]
    classes: Mapping[str, Sequence[int]]


def _nifti(image: str, labels: str) -> Callable[[Path], _Case]:
    """Return what reads a pair of NIfTI files."""

    def read(clones: Path) -> _Case:
        grey, numbers = (nibabel.load(clones / name) for name in (image, labels))
        return _Case(
            np.asanyarray(grey.dataobj), np.asanyarray(numbers.dataobj), grey.affine
        )

    return read


def _neurons(clones: Path) -> _Case:
    """Read a corner of a volume of neurons: 1 where two of them meet, 2 inside of one."""
    folder = clones / "neuroproof_examples" / "training_sample2"
    planes = sorted((folder / "grayscale_maps").glob("*.png"))[:128]
    grey = np.stack([imageio.imread(plane)[:192, :192] for plane in planes])
    unzipped = io.BytesIO(gzip.decompress((folder / "groundtruth.h5.gz").read_bytes()))
    with h5py.File(unzipped) as file:
        pieces = file["stack"][:128, :192, :192]
        neuron_of = np.zeros(int(pieces.max()) + 1, np.int64)
        known = file["transforms"][:]
        known = known[known[:, 0] < len(neuron_of)].astype(np.int64)
    neuron_of[known[:, 0]] = known[:, 1]
    numbers = np.where(find_boundaries(neuron_of[pieces], mode="thick"), 1, 2)
    return _Case(grey.T, numbers.T, np.diag([1e-5, 1e-5, 1e-5, 1]))


def _brain(clones: Path) -> _Case:
    """Read a brain with the numbers of FreeSurfer, its empty margin cut away."""
    with np.load(clones / "voxelmorph" / "data" / "test_scan.npz") as scan:
        grey, numbers = scan["vol"] * 255, scan["seg"]
    full = np.argwhere(grey > 0)
    box = tuple(map(slice, full.min(axis=0), full.max(axis=0) + 1))
    return _Case(grey[box], numbers[box], np.eye(4))


_TOTAL = "TotalSegmentator/tests/reference_files"
_CORDS = "sct_testing_data"
_SOURCES = [
    _Source(
        "ct_torso/a",
        _nifti(
            f"{_TOTAL}/example_ct.nii.gz",
            f"{_TOTAL}/example_seg_fast_force_split.nii.gz",
        ),
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
        _nifti(f"{_TOTAL}/example_mr_sm.nii.gz", f"{_TOTAL}/example_seg_mr.nii.gz"),
        {"liver": [5], "spleen": [1], "kidneys": [2, 3], "back muscles": [46, 47]},
    ),
    _Source(
        "mr_spine/t2",
        _nifti(f"{_CORDS}/t2/t2.nii.gz", f"{_CORDS}/t2/t2_seg-manual.nii.gz"),
        {"cord": [1]},
    ),
    _Source(
        "mr_spine/t1",
        _nifti(f"{_CORDS}/t1/t1w.nii.gz", f"{_CORDS}/t1/t1w_seg-manual.nii.gz"),
        {"cord": [1]},
    ),
    _Source("em_medulla/s2", _neurons, {"membranes": [1]}),
    _Source(
        "mr_brain/t1",
        _brain,
        {
            "white matter": [2, 41, 77, *range(251, 256)],
            "cortex": [3, 42],
            "ventricles": [4, 5, 14, 15, 43, 44],
            "cerebellum": [7, 8, 46, 47],
            "deep grey matter": [10, 11, 12, 13, 49, 50, 51, 52],
            "brainstem": [16],
            "hippocampi": [17, 53],
        },
    ),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clones", type=Path, help="the folder of the clones")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    for source in _SOURCES:
        folder, _, identity = source.name.partition("/")
        (args.out / folder).mkdir(parents=True, exist_ok=True)
        entry = _written(args.clones, source, args.out / folder, identity)
        found.setdefault(folder, []).append(entry)
    for folder, entries in found.items():
        facts = json.dumps({"volumes": entries}, indent=1) + "\n"
        (args.out / folder / "meta.json").write_text(facts)


def _written(
    clones: Path, source: _Source, folder: Path, identity: str
) -> dict[str, Any]:
    """Write image and labels of a volume, and return its entry in meta.json."""
    case = source.read(clones)
    labels = np.zeros(case.numbers.shape, np.uint8)
    for value, members in enumerate(source.classes.values(), start=1):
        labels[np.isin(case.numbers, [*members])] = value
    files = {}
    for kind, array in (("image", case.grey.astype(np.int16)), ("labels", labels)):
        files[kind] = f"{identity}_{kind}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(array, case.affine), folder / files[kind])
    x, y, z = map(float, nibabel.affines.voxel_sizes(case.affine))
    return {"id": identity, "files": files, "spacing_zyx": [z, y, x], "unit": "mm"}


if __name__ == "__main__":
    main()
