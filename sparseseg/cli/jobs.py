"""Training and prediction with a progress bar."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.cli.progress import bar, note

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sparseseg.config import TrainSettings
    from sparseseg.data.labels import SparseLabels
    from sparseseg.data.volume import Volume
    from sparseseg.events import Method, Step
    from sparseseg.model import Model
    from sparseseg.prediction import Output
    from sparseseg.recipes import Case
    from sparseseg.tiling import Box


def train(
    model: "Model", cases: "Sequence[Case]", settings: "TrainSettings", *, rescue: Path
) -> None:
    """Train to the end; at Ctrl-C save the model so far to `rescue` and pass it on."""
    from sparseseg import training
    from sparseseg.events import Step

    steps = 0
    try:
        with bar("training") as show:
            for item in training.work(model, cases, settings):
                if isinstance(item, Step):
                    steps = item.step
                    show(item.done or 0.0, _words(item))
                elif not steps:
                    show(item.done, "preparing")
    except KeyboardInterrupt:
        if not steps:
            raise
        save(model, rescue)
        message = f"the model after step {steps} was saved to {rescue}"
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
        words = f"{error}; the model itself is not lost, it is {place}"
        raise UserError(words) from error


def _saved_elsewhere(model: "Model", name: str) -> Path | None:
    from sparseseg.errors import UserError

    for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        place = folder / name
        with suppress(UserError, OSError):
            if not place.exists():
                model.save(place)
                return place
    return None


def predict(
    model: "Model",
    volume: "Volume",
    *,
    labels: "SparseLabels | None" = None,
    method: "Method" = "network",
    box: "Box | None" = None,
    extras: "Collection[str]" = (),
) -> "Output":
    """Predict a volume, or a box of it, beyond which is background.

    `extras` names what is wanted besides labels: "uncertainty", "probabilities".
    """
    import numpy as np

    from sparseseg import prediction

    channels = (len(model.plan.outputs), *volume.shape)
    out = prediction.Output(
        np.zeros(volume.shape, np.uint8),
        np.zeros(volume.shape, np.float32) if "uncertainty" in extras else None,
        np.zeros(channels, np.float32) if "probabilities" in extras else None,
    )
    if box is not None and out.probabilities is not None and 0 in model.plan.classes:
        out.probabilities[model.plan.classes.index(0)] = 1
    with bar("predicting") as show:
        for tile in prediction.predict(
            model, volume, out, labels=labels, box=box, method=method
        ):
            show(tile.done / tile.total, volume.name)
    return out


def better_method(model: "Model") -> "Method":
    """Return what did best on the held-out slices; say it, and what would help."""
    from sparseseg.events import METHODS

    told = model.history.get("held_out")
    if told is None:
        return "network"
    measures = {method: told[method] for method in METHODS if told.get(method)}
    best: Method = told.get("best", "network")
    if best != "network" and best in measures and "network" in measures:
        note(
            f"the prediction is made by {METHODS[best]}, because on the held-out "
            f"{_slices(told['slices'])} that had a mean IoU of "
            f"{measures[best]['mean_iou']:.2f} and the network "
            f"{measures['network']['mean_iou']:.2f}"
        )
    for words in (told.get("reason"), told.get("advice")):
        if words:
            note(words)
    return best


def _slices(names: "Sequence[str]") -> str:
    noun = "slice" if len(names) == 1 else "slices"
    return f"{noun} {', '.join(names)}"


def _words(step: "Step") -> str:
    return f"step {step.step}, loss {step.loss:.3f}"
