"""Whether the report of a batch puts the bad volumes of a folder first.

    python benchmarks/triage.py

Twenty volumes are cut from the shipped sample: corners of it, turned, mirrored, brighter
or darker, with a little noise. Three are bad: one is out of focus, one drowns in noise, and
one shows blobs of nothing known, with the grey values of the sample. A model learns
from one further corner; the report then orders the batch. Printed are the places of the
bad ones, by all signs together and by each sign alone.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import records
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sparseseg import SparseLabels
from sparseseg.batch.items import find_items
from sparseseg.batch.run import run
from sparseseg.batch.settings import BatchSettings
from sparseseg.data.files import write_image
from sparseseg.data.samples import blobs, ovule_nuclei
from sparseseg.data.slices import annotate_slices
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.evaluation import evaluate
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.reporting.triage import worry, worst_first
from sparseseg.starting import fit

SIDE = 64
BAD = {
    "focus": lambda grey, rng: gaussian_filter(grey, (1, 3, 3)),
    "noise": lambda grey, rng: grey + rng.normal(0, 1.5 * grey.std(), grey.shape),
    "blobs": lambda grey, rng: like(grey, rng),
}
SIGNS: dict[str, Callable[[VolumeEntry], float]] = {
    "estimate": lambda e: 1 - ((e.facts or {}).get("estimated_dice") or 0.0),
    "planes differ": lambda e: (e.facts or {}).get("disagreement") or 0.0,
    "distance": lambda e: (e.facts or {}).get("distance") or 0.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    rows = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(Path(folder), given.steps, seed))
        print(json.dumps(rows[-1]))
    if given.results:
        records.write(given.results, rows)


def one(folder: Path, steps: int, seed: int) -> dict[str, Any]:
    """Return the places of the bad volumes, counted from 1."""
    truths = volumes(folder / "in", seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = learned(steps)
        model.save(folder / "m.safetensors")
        settings = BatchSettings(
            model=str(folder / "m.safetensors"),
            folder=str(folder / "in"),
            output=str(folder / "out"),
            device="cpu",
        )
        items = find_items(settings)
        reports = run(Model.load(folder / "m.safetensors"), items, settings)
        entries = [report.entry for report in reports if report.entry is not None]
    order = [Path(entry.name).stem for entry in worst_first(entries)]
    found = {
        "seed": seed,
        "steps": steps,
        "volumes": len(entries),
        "places": {name: order.index(name) + 1 for name in BAD},
        "alone": {
            sign: places(entries, by)
            for sign, by in {**SIGNS, "worry": all_signs}.items()
        },
        "dice": {},
    }
    for entry in entries:
        name = Path(entry.name).stem
        facts = entry.facts or {}
        found["dice"][name] = {
            "dice": round(dice(folder / "out" / facts["prediction"], truths[name]), 3),
            "estimate": round(facts["estimated_dice"] or 0.0, 3),
            "differ": round(facts["disagreement"] or 0.0, 3),
            "distance": round(facts["distance"], 2),
            "note": facts["note"],
        }
    return found


def all_signs(entry: VolumeEntry) -> float:
    return worry(entry.facts or {})


def places(
    entries: list[VolumeEntry], sign: Callable[[VolumeEntry], float]
) -> dict[str, int]:
    order = [Path(e.name).stem for e in sorted(entries, key=sign, reverse=True)]
    return {name: order.index(name) + 1 for name in BAD}


def learned(steps: int) -> Model:
    """Train on a corner that is not in the folder."""
    sample = ovule_nuclei()
    grey, truth = (cut(a, (0, 0, 0)) for a in (sample.volume.array[0], sample.truth))
    volume = Volume(grey[None], sample.volume.spacing, sample.volume.unit)
    labels = SparseLabels(annotate_slices(truth, (2, 2, 2)))
    return fit([(volume, labels)], device="cpu", steps=steps)


def volumes(folder: Path, seed: int) -> dict[str, NDArray[Any]]:
    """Write 17 volumes and three bad ones; return their truths."""
    sample = ovule_nuclei()
    rng = np.random.default_rng(seed)
    kinds = [*BAD, *(f"v{number:02d}" for number in range(20 - len(BAD)))]
    truths = {}
    for name in kinds:
        corner = tuple(rng.integers(8, 100 - SIDE, 3))
        grey, truth = (cut(a, corner) for a in (sample.volume.array[0], sample.truth))
        if rng.random() < 0.5:
            grey, truth = grey.transpose(0, 2, 1), truth.transpose(0, 2, 1)
        axes = tuple(axis for axis in range(3) if rng.random() < 0.5)
        grey, truth = (np.flip(a, axes) for a in (grey.astype(np.float32), truth))
        if name in BAD:
            grey = BAD[name](grey, rng)
        grey = grey * rng.uniform(0.7, 1.4) + rng.normal(0, 2, grey.shape)
        shown = Volume(
            grey.clip(0, 255).astype(np.uint8)[None],
            sample.volume.spacing,
            sample.volume.unit,
        )
        write_image(folder / f"{name}.tif", shown.array[0], like=shown)
        truths[name] = truth * (name != "blobs")
    return truths


def like(grey: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return blobs with exactly these grey values."""
    other = blobs((SIDE,) * 3, seed=int(rng.integers(1000))).volume.array[0]
    ranks = (other + rng.uniform(0, 0.5, other.shape)).ravel().argsort()
    result = np.empty(grey.size, np.float32)
    result[ranks] = np.sort(grey.ravel())
    return result.reshape(other.shape)


def cut(array: NDArray[Any], corner: Any) -> NDArray[Any]:
    return array[tuple(slice(a, a + SIDE) for a in corner)]


def dice(path: Path, truth: NDArray[Any]) -> float:
    from sparseseg.data.files import read_truth  # noqa: PLC0415

    found = evaluate(read_truth(path).astype(np.uint8), truth, spacing=(1, 1, 1))
    return float(found.get("mean_dice") or 0.0)


if __name__ == "__main__":
    main()
