"""The models of a project: their files, and how each was trained."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sparseseg.data.atomic import is_unfinished, replacing
from sparseseg.evaluation.estimate import DiceEstimate, Evidence
from sparseseg.models.store.folder import SUFFIX, read_stored

FOLDER = "models"
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ProjectModel:
    """A model of a project, as its file describes itself."""

    name: str
    path: Path
    recipe: str
    history: Mapping[str, Any]
    """How it came to be: step, seconds, settings and the held-out score."""
    rules: tuple[str, ...] = ()
    """The lines that its predictions are cleaned up with."""
    volumes: tuple[str, ...] = ()
    """What it was trained on, as far as that is known."""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """Seconds and value of the loss and of the scores during the training."""

    @property
    def score(self) -> float | None:
        """The mean IoU of the best method on held-out slices; None without a score."""
        held_out = self.history.get("held_out")
        if not isinstance(held_out, Mapping):
            return None
        found = held_out.get(held_out.get("best"))
        value = found.get("mean_iou") if isinstance(found, Mapping) else None
        return float(value) if isinstance(value, int | float) else None

    @property
    def estimate(self) -> DiceEstimate | None:
        """How good its predictions are between slices; None if the file does not say."""
        found = None
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            found = DiceEstimate.from_json(self.history["estimate"])
            evidence = Evidence.from_json(self.history["between_slices"])
            found = replace(found, evidence=evidence)
        return found

    @property
    def quality(self) -> float | None:
        """The estimated mean Dice, or else the score; None without both."""
        found = self.estimate
        return self.score if found is None or found.mean is None else found.mean.dice

    def to_json(self) -> dict[str, Any]:
        """Return what is told of a model: recipe, steps, seconds, held-out score."""
        return {
            "name": self.name,
            "path": str(self.path),
            "recipe": self.recipe,
            "step": self.history.get("step"),
            "seconds": self.history.get("seconds"),
            "held_out": self.history.get("held_out"),
            "volumes": list(self.volumes),
        }


def models_in(folder: Path) -> tuple[ProjectModel, ...]:
    """Return the models of a project by their numbers; what cannot be read is left out."""
    files = (p for p in (folder / FOLDER).glob(f"*{SUFFIX}") if not is_unfinished(p))
    found = map(read_model, sorted(files))
    return tuple(model for model in found if model is not None)


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed has not written to its end."""
    for path in (folder / FOLDER).glob(".*"):
        if is_unfinished(path):
            path.unlink(missing_ok=True)


def next_path(folder: Path) -> Path:
    """Return the file for the next model: numbers go up, also after one was removed."""
    taken = [path.stem for path in (folder / FOLDER).glob(f"*{SUFFIX}")]
    numbers = [int(n) for name in taken if (n := name.removeprefix("model-")).isdigit()]
    return folder / FOLDER / f"model-{max(numbers, default=0) + 1:03}{SUFFIX}"


def describe(path: Path, volumes: Sequence[str], curves: Mapping[str, Curve]) -> None:
    """Keep beside a model's file what it was trained on, and its curves."""
    facts = {
        "volumes": list(volumes),
        "curves": {k: list(v) for k, v in curves.items()},
    }
    with replacing(path.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(facts), encoding="utf-8")


def read_model(path: Path) -> ProjectModel | None:
    """Return what a model's file says of itself; None if it cannot be read."""
    stored = read_stored(path)
    plan = stored.description.get("plan")
    if not isinstance(plan, dict):
        return None
    volumes, curves = _facts_beside(path)
    recipe = str(plan.get("recipe", ""))
    rules = tuple(map(str, stored.description.get("rules", ())))
    return ProjectModel(path.stem, path, recipe, stored.history, rules, volumes, curves)


def _facts_beside(path: Path) -> tuple[tuple[str, ...], dict[str, Curve]]:
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        curves: dict[str, Curve] = {
            str(name): [(float(s), float(v)) for s, v in points]
            for name, points in facts["curves"].items()
        }
        return tuple(map(str, facts["volumes"])), curves
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return (), {}
