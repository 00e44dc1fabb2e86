"""What is said when a training or a prediction has ended, and what to do next."""

from typing import TYPE_CHECKING

import numpy as np

from sparseseg.data.units import PIXEL
from sparseseg.widgets.job_progress import duration

if TYPE_CHECKING:
    from sparseseg.classes import ClassTable
    from sparseseg.session.events import StepReport
    from sparseseg.widgets.seat import Seat

_THOUSAND = 1000
_SYMBOLS = {"um": "\N{MICRO SIGN}m"}


def trained_words(step: "StepReport | None", has_model: bool) -> str:
    """Say how long a training went on, and what to do with its model."""
    if step is None or not has_model:
        return ""
    return (
        f"The training has ended after {duration(step.seconds)}, {_steps(step.step)}. "
        "Next: look at slices far from those you painted, correct them and train "
        "again; or press Predict volume."
    )


def predicted_words(seat: "Seat", table: "ClassTable") -> str:
    """Say how much of each class was predicted in an image."""
    counts = np.bincount(seat.arrays.prediction.reshape(-1), minlength=256)
    voxel = float(np.prod(seat.volume.spacing))
    unit = seat.volume.unit
    cubic = f" {_SYMBOLS.get(unit, unit)}\N{SUPERSCRIPT THREE}"
    parts = [
        f"{counts[c.number]:,} voxels of {c.name}"
        + ("" if unit == PIXEL else f" ({_number(counts[c.number] * voxel)}{cubic})")
        for c in table.classes
    ]
    return f"{seat.name!r} is predicted: {'; '.join(parts)}."


def _steps(number: int) -> str:
    return "1 step" if number == 1 else f"{number:,} steps"


def _number(value: float) -> str:
    """Return three digits that matter, and all that stand before the point."""
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.3g}"
