"""What a person is told where learning goes badly: why, and what to paint next."""

from collections.abc import Sequence

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.slices import AXES
from sparseseg.engine.sparing import FEWEST, axes_of, longest, only_on
from sparseseg.progress import Score
from sparseseg.recipes import Scene

NOT_WANTED = "There is no score, because no slice was to be held out."
# Above this mean IoU there is nothing to be said.
_GOOD = 0.8


def reason(scenes: Sequence[Scene], table: ClassTable) -> str:
    """Say why no slice can be held out for a score."""
    numbers = max((longest(scene) for scene in scenes), key=len)
    if len(numbers) < FEWEST:
        return (
            "There is no score yet: a slice is held out once "
            f"{FEWEST} are annotated across one axis, and now {_most(len(numbers))}."
        )
    for output, value in enumerate(scenes[0].plan.outputs):
        if where := only_on(scenes, output):
            return (
                f"There is no score yet: {_name(value, table)} is on slice {where} "
                "only, so no slice can be held out."
            )
    return "There is no score yet: no slice can be spared."


def advice(scenes: Sequence[Scene], table: ClassTable, score: Score) -> str:
    """Say what to paint next, if the score is missing or bad and something would help."""
    if not _is_bad(score):
        return ""
    for output, value in enumerate(scenes[0].plan.outputs):
        if value != BACKGROUND and (where := only_on(scenes, output)):
            return (
                f"Paint {_name(value, table)} on another slice as well: it is on slice "
                f"{where} only."
            )
    axes = axes_of(scenes)
    if len(axes) > 1:
        return ""
    there = AXES[axes.pop()]
    others = " or ".join(axis for axis in AXES if axis != there)
    return (
        f"Slices across {others} would help most: all annotated slices are across "
        f"{there}."
    )


def _is_bad(score: Score) -> bool:
    if not score.measures or score.best in ("walker", "interpolation"):
        return True
    return bool(score.measures[score.best]["mean_iou"] < _GOOD)


def _most(number: int) -> str:
    return "there is 1" if number == 1 else f"there are at most {number}"


def _name(value: int, table: ClassTable) -> str:
    if value == BACKGROUND:
        return "background"
    return table[value].name if value in table.numbers else f"class {value}"
