"""Objects and surfaces against true ones: what is told apart, and what a surface holds.

The masks are the true classes, so that nothing but the division is measured, or the
prediction of a model that is trained on three slices for some minutes. scikit-image's
watershed, as its gallery shows it (seeds at least ten voxels apart), stands beside.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import records
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

import sparseseg
from sparseseg.data.files import read
from sparseseg.data.volume import Volume
from sparseseg.evaluation.objects import score_objects
from sparseseg.postprocessing.objects import (
    MeshSettings,
    ObjectSettings,
    find_objects,
    mesh_of,
)

_BODY = 500
_VOXEL = 1e-9
"""A volume below that of any voxel: nothing is left out."""
# The number whose objects are meant: of the ovule's cells the walls are the class.
_CASES = {
    "fl_ovule_nuclei/n1135": 1,
    "fl_ovule_nuclei/n1136": 1,
    "fl_embryo_nuclei/qc_8cell": 1,
    "fl_embryo_nuclei/qc_16cell": 1,
    "fl_ovule_cells/ovule": 0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with the real volumes")
    parser.add_argument(
        "--minutes", type=float, default=0, help="train so long; 0: truth"
    )
    parser.add_argument("--cases", nargs="+", default=list(_CASES))
    out = Path(__file__).with_name("results") / "objects.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    print(f"{'volume':28} {'method':10} found true  AP50  AP75    PQ")
    for case in args.cases:
        measure(args.data / case, _CASES[case], args)


def measure(case: Path, number: int, args: argparse.Namespace) -> None:
    labels, truth, spacing = opened(case)
    mask = labels == number
    if args.minutes:
        mask = predicted(case, labels, args.minutes) == number
    ways = {
        "parts": found(mask, spacing, "parts"),
        "touching": found(mask, spacing, "touching"),
        "slices": found(mask, spacing, "slices"),
        "with dust": found(mask, spacing, "touching", smallest=_VOXEL),
        "scikit": gallery(mask),
    }
    rows = {}
    for name, instances in ways.items():
        rows[name] = score = score_objects(instances, truth)
        values = " ".join(f"{score[key]:5.3f}" for key in ("ap50", "ap75", "pq"))
        words = f"{score['found']:5} {score['true']:4} {values}"
        print(f"{case.name:28} {name:10} {words}", flush=True)
    surfaces = bodies(truth, spacing)
    print(f"{case.name:28} surface / voxels, worst of objects: {surfaces}", flush=True)
    record = {"case": f"{case.parent.name}/{case.name}", "minutes": args.minutes}
    record |= {"scores": rows, "volume_ratio": surfaces}
    records.append(args.out, record)


def opened(case: Path) -> tuple[NDArray, NDArray, tuple[float, float, float]]:
    facts = json.loads((case.parent / "meta.json").read_text())
    spacing = next(v["spacing_zyx"] for v in facts["volumes"] if v["id"] == case.name)
    labels, truth = (
        np.asarray(read(f"{case}_{word}.tif").array[0])
        for word in ("labels", "instances")
    )
    return labels, truth, tuple(spacing)


def predicted(case: Path, labels: NDArray, minutes: float) -> NDArray:
    """Return what a model says that has seen three slices of each axis."""
    facts = json.loads((case.parent / "meta.json").read_text())
    slices = next(v for v in facts["volumes"] if v["id"] == case.name)
    annotation = np.zeros(labels.shape, np.uint8)
    named = np.where(labels == 0, 255, labels)
    for axis, name in enumerate("zyx"):
        for index in slices["suggested_slices"].get(name, {}).get("three", []):
            at = tuple(index if a == axis else slice(None) for a in range(3))
            annotation[at] = named[at]
    image = read(f"{case}_image.tif")
    volume = Volume(image.array, tuple(slices["spacing_zyx"]), slices["unit"])
    marks = sparseseg.SparseLabels(annotation)
    model = sparseseg.fit([(volume, marks)], minutes=minutes)
    return model.predict(volume, labels=marks).labels


def found(
    mask: NDArray, spacing: tuple[float, ...], method: str, smallest: float = 0.0
) -> NDArray:
    settings = ObjectSettings(method=method, smallest=smallest)
    return find_objects(
        mask.astype(np.uint8), spacing=spacing, settings=settings
    ).instances


def gallery(mask: NDArray) -> NDArray:
    depth = ndimage.distance_transform_edt(mask)
    seeds = np.zeros(mask.shape, int)
    places = peak_local_max(depth, min_distance=10, labels=mask.astype(int))
    seeds[tuple(places.T)] = np.arange(1, len(places) + 1)
    return watershed(-depth, seeds, mask=mask)


def bodies(truth: NDArray, spacing: tuple[float, ...]) -> dict[str, float]:
    """Return the ratio farthest from 1 of a surface's volume and its voxels'.

    Objects of fewer voxels than `_BODY` are left out: they have no inside to speak of.
    """
    like = Volume(truth[None], spacing, "um")
    wanted = {
        "plain": MeshSettings(),
        "smooth": MeshSettings(smooth=max(spacing)),
        "smooth, a fifth": MeshSettings(smooth=max(spacing), keep=0.2),
    }
    ratios: dict[str, list[float]] = {name: [] for name in wanted}
    numbers, counts = np.unique(truth[truth > 0], return_counts=True)
    for number, count in zip(numbers, counts, strict=True):
        if count < _BODY:
            continue
        for name, settings in wanted.items():
            held = mesh_of(truth == number, like, settings).volume
            ratios[name].append(held / (count * float(np.prod(spacing))))
    return {
        name: round(float(max(values, key=lambda ratio: abs(ratio - 1))), 4)
        for name, values in ratios.items()
    }


if __name__ == "__main__":
    main()
