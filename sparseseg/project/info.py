"""What is in a project, as plain values for people and programs."""

from typing import TYPE_CHECKING, Any

from sparseseg.data.slices import AXES
from sparseseg.evaluation.slice_score import SliceScore
from sparseseg.project.record import VolumeRecord

if TYPE_CHECKING:
    from sparseseg.project.project import Project


def info_of(project: "Project") -> dict[str, Any]:
    """Return volumes, slices, classes, models, scores and the journal of a project."""
    known = project.models
    return {
        "folder": str(project.folder),
        "volumes": [_volume(project, volume) for volume in project.volumes],
        "slices": {volume.name: _slices(project, volume) for volume in project.volumes},
        "classes": project.classes.to_json(),
        "models": [model.to_json() for model in known],
        "scores": {model.name: model.score for model in known},
        "journal": {
            "entries": len(project.journal.entries()),
            "mode": project.journal.mode,
        },
    }


def _slices(project: "Project", volume: VolumeRecord) -> list[dict[str, Any]]:
    return [
        {
            "axis": AXES[found.axis],
            "index": found.index,
            "voxels": found.voxels,
            "complete": found.complete,
            "locked": (found.axis, found.index) in volume.locked,
        }
        for found in project.labels(volume.name).slices()
    ]


def _volume(project: "Project", volume: VolumeRecord) -> dict[str, Any]:
    located = project.locate(volume.name)
    return {
        "name": volume.name,
        "path": str(located.source),
        "state": located.state,
        "shape": list(volume.shape),
        "channels": volume.channels,
        "spacing": list(volume.spacing),
        "unit": volume.unit,
        "slice_scores": list(map(_score, volume.scores)),
        "repeats": list(map(_score, volume.repeats)),
    }


def _score(score: SliceScore) -> dict[str, Any]:
    axis = AXES[score.axis]
    return {**score.to_json(), "axis": axis, "mean_dice": score.mean_dice}
