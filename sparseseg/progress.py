"""What training yields: its steps, the work between them, and scores by method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sparseseg.language import say, say_count, template

if TYPE_CHECKING:
    from sparseseg.evaluation.estimate import DiceEstimate

LeftOut = Literal["slices", "volume"]
"""What a score of "another volume, without slices" was measured on."""

Method = Literal[
    "network",
    "unguided",
    "forest",
    "trees",
    "mixed",
    "near",
    "walked",
    "walker",
    "interpolation",
    "classwise",
]
"""What a prediction is made with.

"network" follows the annotation of the volume, "unguided" is the same network that sees
the image alone; "trees" is a random forest, which judges each voxel by its filters, and
"forest" the mean of both; the walker spreads the annotation along the image, and interpolation
fills in between annotated slices. "mixed" and "walked" are means of network and walker: in
the first the network counts twice, in the second the walker. "near" is a mean of forest and
walker, in which the walker counts twice. If there is a single slice, "mixed" has the forest in
it too. "classwise" takes each class from one of the others.
"""

METHODS: dict[Method, str] = {
    "network": say("network"),
    "unguided": say("network without guidance"),
    "forest": say("random forest and network without guidance"),
    "trees": say("random forest"),
    "mixed": say("network and random walker"),
    "near": say("random walker and forest, the walker twice"),
    "walked": say("random walker and network, the walker twice"),
    "walker": say("random walker"),
    "interpolation": say("interpolation"),
    "classwise": say("the best answer for each class"),
}
"""What each method is called; of equals the later one is shown, which is simpler."""


def worth_most(worths: Mapping[Method, float]) -> Method:
    """Return the method that is worth most; of equals the later one."""
    order = [*METHODS]
    return max(worths, key=lambda method: (worths[method], order.index(method)))


@dataclass(frozen=True, slots=True)
class Score:
    """How each method did on slices that it did not see.

    `measures` holds, by method, what `sparseseg.evaluation.evaluate` returns; it is empty
    where nothing could be measured, and `reason` says why in a sentence. `slices` names
    the slices, for example ("z 50",). `advice` says in a sentence what to paint next,
    where that would help. `default` is shown where nothing was measured. `worths` tells
    how near each method is to what all slices that were left out say is best (0..1); a
    method without one is not shown. `by_class` tells which method each class is taken from,
    by its value, where it is not the same for all.
    """

    step: int
    seconds: float
    measures: Mapping[Method, Mapping[str, Any]]
    slices: tuple[str, ...]
    reason: str = ""
    advice: str = ""
    default: Method = "network"
    worths: Mapping[Method, float] = field(default_factory=dict)
    by_class: Mapping[int, Method] = field(default_factory=dict)

    @property
    def best(self) -> Method:
        """The method to show: that of each class, or the one that is worth most."""
        if self.by_class:
            return "classwise"
        return worth_most(self.worths) if self.worths else self.default

    def to_json(self) -> dict[str, Any]:
        """Return what a model remembers of it: plain lists, numbers and words."""
        return {
            "slices": list(self.slices),
            **{method: dict(measures) for method, measures in self.measures.items()},
            "best": self.best,
            "by_class": {str(value): method for value, method in self.by_class.items()},
            "step": self.step,
            "reason": self.reason,
            "advice": self.advice,
        }


def by_class_of(history: Mapping[str, Any]) -> dict[int, Method]:
    """Return the method of each class that a model remembers, by its value.

    Raises `ValueError`, `TypeError` or `KeyError` for what `Score.to_json` never writes.
    """
    score = history.get("held_out") or {}
    if not isinstance(score, Mapping):
        raise TypeError(f"held_out: {score!r}")
    best = score.get("best", "network")
    if best not in METHODS:
        raise ValueError(f"best: {best!r}")
    if best != "classwise":
        return {}
    found = {int(value): method for value, method in score["by_class"].items()}
    if not found or not {*found.values()} <= METHODS.keys() - {"classwise"}:
        raise ValueError(f"by_class: {found}")
    return found


Ending = Literal["finished", "known by heart", "stopped"]
"""Why a training ended: its budget is spent, more steps would only lose, or by its user."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of training; `done` (0..1) is None when training has no end."""

    step: int
    seconds: float
    loss: float
    done: float | None
    score: Score | None
    estimate: "DiceEstimate | None" = None
    """How good the prediction is between the slices, now and then."""
    ending: "Ending | None" = None
    """Why this is the last step; None for all steps before it."""


@dataclass(frozen=True, slots=True)
class Preparing:
    """Work beside the steps: filters, fits, scores. `done` (0..1) is of this work."""

    done: float


def uses_in_words(history: Mapping[str, Any]) -> list[str]:
    """Say how good a model is at both of its uses, as far as its history tells.

    One is a volume with annotated slices, which guide it; the other is a volume that
    nobody has annotated.
    """
    held_out, other = (
        _mapping(history.get(key)) for key in ("held_out", "other_volume")
    )
    best = str(held_out.get("best"))
    lines = []
    if dice := _estimated(history.get("estimate")):
        lines.append(
            say(
                "this volume, between its slices: estimated mean Dice {dice}", dice=dice
            )
        )
    elif (iou := _mean_iou(held_out.get(best))) is not None and best in _NAMES:
        where = _joined(held_out.get("slices"))
        lines.append(
            say(
                "this volume, with its slices: mean IoU {iou:.2f} by {best}, on "
                "{where}, which the network had not seen",
                iou=iou,
                best=_NAMES[best],
                where=where,
            )
        )
    if words := _estimated_elsewhere(history):
        lines.append(words)
    elif (iou := _mean_iou(other)) is not None:
        how = _LEFT_OUT.get(str(other.get("left_out")), _ELSEWHERE)
        lines.append(say(how, iou=iou, where=_joined(other.get("slices"))))
    return lines


_NAMES: dict[str, str] = {str(method): name for method, name in METHODS.items()}
_ELSEWHERE = template("another volume, without slices: mean IoU {iou:.2f}, on {where}")
_LEFT_OUT = {
    "slices": template(
        "another volume, without slices: mean IoU {iou:.2f}, on {where} without guidance; "
        "other slices of the same volume were learned from, so expect less"
    ),
    "volume": template(
        "another volume, without slices: mean IoU {iou:.2f}, on {where} of a volume that "
        "was left out, by a part of the network that learned from the others"
    ),
}


def _estimated_elsewhere(history: Mapping[str, Any]) -> str:
    """Say how good a volume without slices is estimated to be, "" if it is not known."""
    found = _mapping(history.get("elsewhere"))
    dice = _estimated(found.get("estimate"))
    how = _MEASURED_BY.get(str(found.get("left_out")), "")
    return say(how, dice=dice) if dice and how else ""


_MEASURED_BY = {
    "slices": template(
        "another volume, without slices: estimated mean Dice {dice}, by slices of the only "
        "volume that were left out"
    ),
    "volume": template(
        "another volume, without slices: estimated mean Dice {dice}, by volumes that were left "
        "out in turn"
    ),
}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _estimated(estimate: object) -> str:
    """Return a Dice with its interval, "" if there is none."""
    found = _mapping(estimate)
    values = [found.get(name) for name in ("mean_dice", "low", "high")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return ""
    dice, low, high = numbers
    return say("{dice:.2f} ({low:.2f} to {high:.2f})", dice=dice, low=low, high=high)


def _mean_iou(found: object) -> float | None:
    value = _mapping(found).get("mean_iou")
    return float(value) if isinstance(value, int | float) else None


def _joined(slices: object) -> str:
    names = [str(name) for name in slices] if isinstance(slices, list | tuple) else []
    return say_count(
        "slice {names}", "slices {names}", len(names), names=", ".join(names)
    )
