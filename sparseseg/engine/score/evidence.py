"""The evidence that a model keeps of its predictions between slices."""

from collections.abc import Mapping
from typing import Any

from sparseseg.data.labels import SparseLabels
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.confidence import Between, Confidence
from sparseseg.evaluation.estimate import Evidence
from sparseseg.evaluation.matching import Nearest
from sparseseg.recipes import Scene

_KEY = "between_slices"


def keep(history: dict[str, Any], found: Evidence) -> None:
    """Write evidence into the history of a model."""
    history[_KEY] = found.to_json()


def evidence_of(history: Mapping[str, Any]) -> Evidence | None:
    """Return what a model knows of its own predictions between slices, if anything.

    Raises `ValueError`, `TypeError` or `KeyError` for what `keep` never writes.
    """
    data = history.get(_KEY)
    return Evidence.from_json(data) if isinstance(data, dict) else None


def between(scene: Scene, labels: SparseLabels, evidence: Evidence) -> Confidence:
    """Return what sums up how good a prediction is expected to be between slices."""
    calibration = Calibration(evidence.calibration)
    there = Between(calibration, nearest_of(scene), labels.array)
    return Confidence(len(scene.plan.outputs), between=there)


def nearest_of(scene: Scene) -> Nearest:
    """Return how far the voxels of a scene are from its slices."""
    planes = [(where.axis, where.index) for where in scene.slices]
    return Nearest.of(scene.volume.shape, scene.plan.anisotropy, planes)
