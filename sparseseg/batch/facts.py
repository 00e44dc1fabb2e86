"""What is told of a prediction: volumes, estimated quality, a picture, scores."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparseseg.batch.items import Item, fingerprint
from sparseseg.data.files import read_truth
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Segmentation
from sparseseg.engine.signs import signs_of
from sparseseg.errors import UserError
from sparseseg.evaluation import evaluate
from sparseseg.evaluation.estimate import Likely
from sparseseg.reporting.thumbnails import thumbnail


def facts_of(
    model: Model,
    volume: Volume,
    found: Segmentation,
    item: Item,
) -> dict[str, Any]:
    """Return volumes by class, the estimated quality, a picture, and scores."""
    labels, classes = found.labels, _classes_of(model, volume, found)
    told = [c["estimated_dice"] for c in classes.values()]
    told = [dice for dice in told if dice is not None]
    facts: dict[str, Any] = {
        "shape": list(volume.shape),
        "spacing": list(volume.spacing),
        "unit": volume.unit,
        "classes": classes,
        "estimated_dice": float(np.mean(told)) if told else None,
        "estimate": found.estimate.to_json(),
        "reason": found.estimate.reason,
        **signs_of(model, volume, labels),
        "is_calibrated": bool({"temperature", "elsewhere"} & set(model.history)),
        "prediction": item.prediction.name,
        "thumbnail": thumbnail(volume, labels, model.table),
    }
    return facts | scores_of(labels, volume, item)


def _classes_of(
    model: Model, volume: Volume, found: Segmentation
) -> dict[str, dict[str, Any]]:
    """Return by the number of each class how much was found, and how well."""
    counts, known = np.zeros(256, np.int64), found.estimate.classes
    for plane in found.labels:
        counts += np.bincount(np.asarray(plane).reshape(-1), minlength=256)
    voxel = float(np.prod(volume.spacing))
    return {
        str(entry.number): {
            "name": entry.name,
            "voxels": int(counts[entry.number]),
            "volume": float(counts[entry.number]) * voxel,
            **_estimated(known.get(entry.number), found.expected.get(entry.number)),
        }
        for entry in model.table.classes
    }


def scores_of(labels: NDArray[np.uint8], volume: Volume, item: Item) -> dict[str, Any]:
    """Return scores against a truth, and of which truth; nothing if there is none."""
    if item.truth is None:
        return {}
    scores = _scores(labels, item.truth, volume)
    return {"truth": fingerprint_of_truth(item), "scores": scores}


def fingerprint_of_truth(item: Item) -> str:
    """Return the hash of a truth, "" if there is none."""
    return fingerprint(item.truth) if item.truth else ""


def _estimated(known: Likely | None, expected: float | None) -> dict[str, Any]:
    """Return what was estimated of a class, or else what its probabilities expect."""
    if known is None:
        return {"estimated_dice": expected}
    return {"estimated_dice": known.dice, "low": known.low, "high": known.high}


def _scores(labels: NDArray[np.uint8], path: Path, volume: Volume) -> dict[str, Any]:
    try:
        truth = read_truth(path, like=volume)
    except UserError as error:
        return {"error": str(error)}
    found = evaluate(labels, truth, spacing=volume.spacing)
    pooled = {
        str(number): [
            int(((labels == number) & (truth == number)).sum()),
            int((labels == number).sum()),
            int((truth == number).sum()),
        ]
        for number in np.union1d(np.unique(truth), np.unique(labels)).tolist()
        if number
    }
    kept = ("dice", "iou", "assd", "hd95")
    plain = {
        name: {str(n): v for n, v in found[name].items()}
        for name in kept
        if isinstance(found.get(name), dict)
    }
    return {**plain, "mean_dice": found.get("mean_dice"), "counts": pooled}
