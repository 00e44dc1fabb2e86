"""What is said when a slice is complete that had been predicted before."""

from typing import TYPE_CHECKING

from sparseseg.language import say
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from sparseseg.classes import ClassTable
    from sparseseg.evaluation.estimate import DiceEstimate
    from sparseseg.evaluation.slice_score import SliceScore

_MOST = 4


def slice_score_words(
    score: "SliceScore", table: "ClassTable", estimate: "DiceEstimate | None"
) -> str:
    """Say how good the prediction was there, by class, and what had been estimated."""
    view = SliceView(score.axis, score.index)
    if score.mean_dice is None:
        return say(
            "Slice {view} is complete. It is all background, as it was predicted.",
            view=view,
        )
    measured = say(
        "Slice {view} is complete. The prediction had not seen it and has a Dice of {dice:.2f} "
        "here ({classes}).",
        view=view,
        dice=score.mean_dice,
        classes=class_words(score, table),
    )
    if estimate is None or estimate.mean is None:
        return measured
    expected = say("The estimate was {estimate}.", estimate=estimate)
    return f"{measured} {expected}"


def class_words(score: "SliceScore", table: "ClassTable") -> str:
    """Name the classes with their Dice, the worst first."""
    names = {entry.number: entry.name for entry in table.classes}
    worst = sorted(score.dice.items(), key=lambda found: found[1])
    parts = [
        f"{names.get(n, say('class {number}', number=n))} {dice:.2f}"
        for n, dice in worst[:_MOST]
    ]
    more = len(worst) - _MOST
    return ", ".join([*parts, *([say("{count} more", count=more)] if more > 0 else [])])
