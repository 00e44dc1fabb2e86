"""The step and the scores of a model that was trained before, as of a training now."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparseseg.progress import METHODS, by_class_of
from sparseseg.session.events import ScoreReport, StepReport

if TYPE_CHECKING:
    from sparseseg.project.models import Curve


def step_of(
    history: Mapping[str, Any], curves: "Mapping[str, Curve]"
) -> StepReport | None:
    """Return the last step of a model; None if its file does not say it."""
    step, seconds = history.get("step"), history.get("seconds")
    losses: Sequence[tuple[float, float]] = curves.get("loss", ())
    if not isinstance(step, int) or not isinstance(seconds, int | float) or not losses:
        return None
    return StepReport(step, float(seconds), losses[-1][1])


def reports_of(history: Mapping[str, Any]) -> list[ScoreReport]:
    """Return one report for each method that was measured; none if the file is damaged."""
    try:
        return _reports(history, float(history["seconds"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _reports(history: Mapping[str, Any], seconds: float) -> list[ScoreReport]:
    held_out, by_class = history["held_out"], by_class_of(history)
    return [
        ScoreReport(
            step=int(held_out["step"]),
            seconds=seconds,
            method=method,
            mean_iou=float(held_out[method]["mean_iou"]),
            iou={int(k): float(v) for k, v in held_out[method]["iou"].items()},
            slices=tuple(map(str, held_out["slices"])),
            shown=held_out["best"],
            reason=str(held_out.get("reason", "")),
            advice=str(held_out.get("advice", "")),
            by_class=by_class,
        )
        for method in METHODS
        if method in held_out and held_out["best"] in METHODS
    ]
