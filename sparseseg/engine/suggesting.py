"""Which slices to annotate next, and why, by a model."""

from sparseseg.data.labels import SparseLabels
from sparseseg.data.slices import well_labelled
from sparseseg.data.volume import Volume
from sparseseg.engine.model import Model
from sparseseg.engine.segment import Job, finished, segment
from sparseseg.errors import UserError
from sparseseg.evaluation.gain import CoarseGrid
from sparseseg.evaluation.suggesting import Doubts, Suggestion, sides_of, suggested
from sparseseg.settings.looking import SLICES


def suggest(
    volume: Volume,
    labels: SparseLabels,
    *,
    model: Model | None = None,
    count: int = SLICES,
) -> list[Suggestion]:
    """Return the slices to annotate next, the best first.

    Without a model they close the largest gaps. With one, its expected errors count as
    well: those of each class as much as those of each other, so that a rare class is not
    drowned. Raises `UserError` for a count below 1, and for labels or a model that do not
    fit the volume.
    """
    if count < 1:
        raise UserError(
            "at least one slice can be suggested, got a count of {count}", count=count
        )
    labels.check_fits(volume.shape)
    grid = CoarseGrid.of(volume.shape, sides_of(volume.spacing))
    doubts = None if model is None else _doubts(model, volume, labels, grid)
    table = labels.table if model is None else model.table
    names = {number: table[number].name for number in table.numbers}
    known = well_labelled(labels.slices(), volume.shape)
    return suggested(grid, known, count=count, doubts=doubts, names=names)


def _doubts(
    model: Model, volume: Volume, labels: SparseLabels, grid: CoarseGrid
) -> Doubts | None:
    job = Job(rules=(), extras=frozenset({"uncertainty"}))
    own = labels if labels.slices() else None
    found = finished(segment(model, volume, job, labels=own))
    assert found.uncertainty is not None
    return Doubts.of(
        grid,
        prediction=found.labels,
        uncertainty=found.uncertainty,
        annotation=labels.array,
    )
