"""The evidence that a model keeps of its predictions between slices."""

from collections.abc import Mapping
from typing import Any

from sparseseg.boxes import Triple
from sparseseg.data.labels import SparseLabels
from sparseseg.evaluation.calibration import Calibration
from sparseseg.evaluation.confidence import Between, Confidence
from sparseseg.evaluation.elsewhere import Elsewhere, estimate_elsewhere
from sparseseg.evaluation.estimate import Evidence
from sparseseg.evaluation.matching import Nearest
from sparseseg.recipes import Scene

_KEY, _ELSEWHERE = "between_slices", "elsewhere"


def keep(history: dict[str, Any], found: Evidence) -> None:
    """Write evidence into the history of a model."""
    history[_KEY] = found.to_json()


def evidence_of(history: Mapping[str, Any]) -> Evidence | None:
    """Return what a model knows of its own predictions between slices, if anything.

    Raises `ValueError`, `TypeError` or `KeyError` for what `keep` never writes.
    """
    data = history.get(_KEY)
    return Evidence.from_json(data) if isinstance(data, dict) else None


def elsewhere_of(history: Mapping[str, Any]) -> Elsewhere | None:
    """Return what a model knows of its predictions of other volumes, if anything.

    Raises what `evidence_of` does.
    """
    data = history.get(_ELSEWHERE)
    return Elsewhere.from_json(data) if isinstance(data, dict) else None


def keep_elsewhere(history: dict[str, Any], found: Elsewhere) -> None:
    """Write what is known of other volumes into the history of a model."""
    told = estimate_elsewhere(found).to_json()
    history[_ELSEWHERE] = found.to_json() | {"estimate": told}


def in_another_volume(shape: Triple, outputs: int, found: Elsewhere) -> Confidence:
    """Return what sums up how good a prediction of a volume without slices may be."""
    calibration = Calibration(found.evidence.calibration)
    there = Between(calibration, Nearest.of(shape, (1.0, 1.0, 1.0), ()))
    return Confidence(outputs, between=there)


def between(scene: Scene, labels: SparseLabels, evidence: Evidence) -> Confidence:
    """Return what sums up how good a prediction is expected to be between slices."""
    calibration = Calibration(evidence.calibration)
    there = Between(calibration, nearest_of(scene), labels.array)
    return Confidence(len(scene.plan.outputs), between=there)


def nearest_of(scene: Scene) -> Nearest:
    """Return how far the voxels of a scene are from its slices."""
    planes = [(where.axis, where.index) for where in scene.slices]
    return Nearest.of(scene.volume.shape, scene.plan.anisotropy, planes)
