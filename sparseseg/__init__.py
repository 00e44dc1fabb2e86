"""Volumetric segmentation learned from a few annotated slices.

The public names are loaded on first use, so that importing the package costs nothing.
"""

import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparseseg import recipes
    from sparseseg.classes import ClassTable
    from sparseseg.data.files import read, write_labels
    from sparseseg.data.labels import SparseLabels
    from sparseseg.data.volume import Volume
    from sparseseg.engine.model import Model
    from sparseseg.engine.prediction import predict
    from sparseseg.engine.suggesting import suggest
    from sparseseg.engine.training import train
    from sparseseg.errors import UserError
    from sparseseg.evaluation import evaluate, evaluate_cases
    from sparseseg.models.opening import open_model
    from sparseseg.postprocessing import clean
    from sparseseg.project.project import Project
    from sparseseg.settings.training import TrainSettings
    from sparseseg.starting import create, fit, segment

    load = Model.load

__version__ = "0.1.0"

__all__ = [
    "ClassTable",
    "Model",
    "Project",
    "SparseLabels",
    "TrainSettings",
    "UserError",
    "Volume",
    "clean",
    "create",
    "evaluate",
    "evaluate_cases",
    "fit",
    "load",
    "open_model",
    "predict",
    "read",
    "recipes",
    "segment",
    "suggest",
    "train",
    "write_labels",
]

_HOMES = {
    "ClassTable": "sparseseg.classes:ClassTable",
    "Model": "sparseseg.engine.model:Model",
    "Project": "sparseseg.project.project:Project",
    "SparseLabels": "sparseseg.data.labels:SparseLabels",
    "TrainSettings": "sparseseg.settings.training:TrainSettings",
    "UserError": "sparseseg.errors:UserError",
    "Volume": "sparseseg.data.volume:Volume",
    "clean": "sparseseg.postprocessing:clean",
    "create": "sparseseg.starting:create",
    "evaluate": "sparseseg.evaluation:evaluate",
    "evaluate_cases": "sparseseg.evaluation:evaluate_cases",
    "fit": "sparseseg.starting:fit",
    "load": "sparseseg.engine.model:Model.load",
    "open_model": "sparseseg.models.opening:open_model",
    "predict": "sparseseg.engine.prediction:predict",
    "read": "sparseseg.data.files:read",
    "recipes": "sparseseg.recipes",
    "segment": "sparseseg.starting:segment",
    "suggest": "sparseseg.engine.suggesting:suggest",
    "train": "sparseseg.engine.training:train",
    "write_labels": "sparseseg.data.files:write_labels",
}


if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = pkgutil.resolve_name(_HOMES[name])
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
