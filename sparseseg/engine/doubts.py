"""Where a model is likely to be wrong in a volume that was annotated in part."""

import numpy as np

from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.output import Output
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.errors import UserError
from sparseseg.evaluation.doubt import Doubt, Place
from sparseseg.reporting.doubtful import look_through
from sparseseg.settings.looking import PLACES


def find_doubts(
    model: Model, volume: Volume, labels: SparseLabels, *, count: int = PLACES
) -> tuple[Doubt, list[Place]]:
    """Predict a volume, and return how doubtful each part is, and the worst places.

    Raises `UserError` for a count below 1, where no slice is annotated, and for labels or
    a model that do not fit the volume.
    """
    if count < 1:
        raise UserError(
            "at least one place can be looked at, got a count of {count}", count=count
        )
    labels.check_fits(volume.shape)
    prediction, uncertainty = (np.zeros(volume.shape, np.uint8) for _ in range(2))
    out = Output(prediction, uncertainty)
    finished(segment(model, volume, Job(rules=()), labels=labels, into=out))
    found = look_through(volume, labels, prediction=prediction, uncertainty=uncertainty)
    return found, found.worst(prediction, count)
