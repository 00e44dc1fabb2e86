"""Training and prediction with a progress bar."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.cli.progress import bar, note
from sparseseg.language import say, say_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.data.labels import SparseLabels
    from sparseseg.data.volume import Volume
    from sparseseg.engine.model import Model
    from sparseseg.engine.segment import Job, Segmentation
    from sparseseg.engine.team import Team
    from sparseseg.progress import Method, Step
    from sparseseg.recipes import Case
    from sparseseg.settings.training import TrainSettings


def train(
    model: "Model", cases: "Sequence[Case]", settings: "TrainSettings", *, rescue: Path
) -> None:
    """Train to the end; at Ctrl-C save the model so far to `rescue` and pass it on.

    Where `torchrun` started several processes, all train, and only the first one returns.
    """
    from sparseseg.engine import team
    from sparseseg.engine.following import follow

    with team.joined(settings.device) as joined:
        if joined is None:
            _train(model, cases, settings, None, rescue)
        elif joined.leads:
            try:
                _train(model, cases, settings, joined, rescue)
            finally:
                joined.dismiss()
        else:
            follow(joined, model, cases, settings)
            raise SystemExit(0)


def _train(
    model: "Model",
    cases: "Sequence[Case]",
    settings: "TrainSettings",
    team: "Team | None",
    rescue: Path,
) -> None:
    from sparseseg.engine import training
    from sparseseg.progress import Step

    steps = 0
    try:
        with bar(say("training")) as show:
            for item in training.work(model, cases, settings, team=team):
                if isinstance(item, Step):
                    steps = item.step
                    show(item.done or 0.0, _words(item))
                elif not steps:
                    show(item.done, "preparing")
    except KeyboardInterrupt:
        if not steps:
            raise
        save(model, rescue)
        message = say(
            "the model after step {steps} was saved to {rescue}",
            steps=steps,
            rescue=rescue,
        )
        raise KeyboardInterrupt(message) from None


def save(model: "Model", path: Path) -> None:
    """Save a trained model; where that fails, keep it in another folder and say so.

    Raises `UserError` with the reason and with the place where the model is now.
    """
    from sparseseg.errors import UserError

    try:
        model.save(path)
    except UserError as error:
        place = _saved_elsewhere(model, path.name)
        if place is None:
            raise
        raise UserError(
            "{error}; the model is not lost, it was saved as {place}",
            error=error,
            place=place,
        ) from error


def _saved_elsewhere(model: "Model", name: str) -> Path | None:
    from sparseseg.errors import UserError

    for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        place = folder / name
        with suppress(UserError, OSError):
            if not place.exists():
                model.save(place)
                return place
    return None


def segment(
    model: "Model",
    volume: "Volume",
    job: "Job",
    *,
    labels: "SparseLabels | None" = None,
) -> "Segmentation":
    """Segment a volume; say what its slices chose, if it is not the network."""
    from sparseseg.engine import segment as engine

    work = engine.segment(model, volume, job, labels=labels)
    with bar(say("predicting")) as show:
        found = engine.finished(
            work, lambda tile: show(tile.done / tile.total, volume.name)
        )
    if labels is not None:  # in other volumes it does not depend on slices
        _explain(model, found.method)
    return found


def _explain(model: "Model", method: "Method") -> None:
    from sparseseg.progress import METHODS

    if method == "network":
        return
    score = model.history.get("held_out") or {}
    if {method, "network"} <= set(score):
        note(
            say(
                "the prediction uses {method}, which fits best what was painted on "
                "all slices that were left out (mean IoU on the held-out {slices}: "
                "{mean_iou:.2f}, of the network {network_mean_iou:.2f})",
                method=METHODS[method],
                slices=_slices(score["slices"]),
                mean_iou=score[method]["mean_iou"],
                network_mean_iou=score["network"]["mean_iou"],
            )
        )
    else:
        note(say("the prediction uses {method}", method=METHODS[method]))
    if method == "classwise":
        names = {one.number: one.name for one in model.table.classes}
        for number, each in model.by_class.items():
            note(f"{names.get(number, number)}: {METHODS[each]}")


def say_what_would_help(model: "Model") -> None:
    """Say why there is no score, and what to paint next, where that is known."""
    score = model.history.get("held_out") or {}
    for words in (score.get("reason"), score.get("advice")):
        if words:
            note(words)


def _slices(names: "Sequence[str]") -> str:
    return say_count(
        "slice {names}", "slices {names}", len(names), names=", ".join(names)
    )


def _words(step: "Step") -> str:
    return say("step {step}, loss {loss:.3f}", step=step.step, loss=step.loss)
