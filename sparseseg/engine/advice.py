"""What a person is told where learning goes badly: why, and what to paint next."""

from collections.abc import Sequence

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.slices import AXES
from sparseseg.engine.sparing import FEWEST, axes_of, longest, only_on
from sparseseg.language import say, say_count
from sparseseg.progress import Score
from sparseseg.recipes import Scene

NOT_WANTED = say("There is no score, because no slice was to be held out.")
# Above this mean IoU there is nothing to be said.
_GOOD = 0.8


def reason(scenes: Sequence[Scene], table: ClassTable) -> str:
    """Say why no slice can be held out for a score."""
    numbers = max((longest(scene) for scene in scenes), key=len)
    if len(numbers) < FEWEST:
        return say_count(
            "There is no score yet: a slice is held out once {fewest} are annotated "
            "across one axis, and now there is {count}.",
            "There is no score yet: a slice is held out once {fewest} are annotated "
            "across one axis, and now there are at most {count}.",
            len(numbers),
            fewest=FEWEST,
        )
    for output, value in enumerate(scenes[0].plan.outputs):
        if where := only_on(scenes, output):
            return say(
                "There is no score yet: {name} is on slice {where} "
                "only, so no slice can be held out.",
                name=_name(value, table),
                where=where,
            )
    return say("There is no score yet: no slice can be spared.")


def advice(scenes: Sequence[Scene], table: ClassTable, score: Score) -> str:
    """Say what to paint next, if the score is missing or bad and something would help."""
    if not _is_bad(score):
        return ""
    for output, value in enumerate(scenes[0].plan.outputs):
        if value != BACKGROUND and (where := only_on(scenes, output)):
            return say(
                "Paint {name} on another slice as well: it is on slice {where} only.",
                name=_name(value, table),
                where=where,
            )
    axes = axes_of(scenes)
    if len(axes) > 1:
        return ""
    there = AXES[axes.pop()]
    one, other = (axis for axis in AXES if axis != there)
    return say(
        "Slices across {one} or {other} would help most: all annotated slices are "
        "across {there}.",
        one=one,
        other=other,
        there=there,
    )


def _is_bad(score: Score) -> bool:
    if not score.measures or score.best in ("walker", "interpolation"):
        return True
    return bool(score.measures[score.best]["mean_iou"] < _GOOD)


def _name(value: int, table: ClassTable) -> str:
    if value == BACKGROUND:
        return say("background")
    if value in table.numbers:
        return table[value].name
    return say("class {number}", number=value)
