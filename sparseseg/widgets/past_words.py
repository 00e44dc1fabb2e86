"""What is said of the models of earlier trainings."""

from typing import TYPE_CHECKING

from sparseseg.language import say, say_count, template
from sparseseg.widgets.moments import MOMENT
from sparseseg.widgets.slices import SliceView

if TYPE_CHECKING:
    from sparseseg.classes import ClassTable
    from sparseseg.evaluation.estimate import Likely
    from sparseseg.project.models import ProjectModel
    from sparseseg.widgets.past_models import Comparison, Overtaken

_MOST = 4


def model_words(model: "ProjectModel", *, in_use: bool) -> str:
    """Say in a short line how good a model is."""
    quality, name = quality_words(model), short_name(model)
    if in_use:
        return say("{name}, in use: {quality}", name=name, quality=quality)
    return f"{name}: {quality}"


def short_name(model: "ProjectModel") -> str:
    """Return the name of a model; of a moment of a training, the step."""
    _, _, step = model.name.partition(MOMENT)
    return say("at step {step}", step=step) if step else model.name


def training_words(model: "ProjectModel") -> str:
    """Say how long a model was trained, and why its training ended."""
    steps = int(model.history.get("step") or 0)
    parts = [
        say_count("{count:,} step", "{count:,} steps", steps),
        say(_ENDED.get(str(model.history.get("ending")), "")),
        model.recipe,
    ]
    return ", ".join(filter(None, parts))


def quality_words(model: "ProjectModel") -> str:
    """Say the estimated Dice of a model, or else its score on held-out slices."""
    found = model.estimate
    if found is not None and found.mean is not None:
        return say("Dice {interval}", interval=_interval(found.mean))
    if model.score is not None:
        return say("held-out IoU {iou:.2f}", iou=model.score)
    return say("no score")


def overtaken_words(found: "Overtaken") -> str:
    """Say that an earlier model scores better than the newest one, and which is in use."""
    values = {
        "new": quality_words(found.newest),
        "name": found.better.name,
        "old": quality_words(found.better),
    }
    if found.is_kept:
        return say(
            "{name} stays in use: it has {old}, the new model {new} from the same slices.",
            **values,
        )
    return say(
        "The new model has {new}, less than {name} with {old}, which did not learn from the "
        "same slices. Both are kept.",
        **values,
    )


def changed_words(found: "Comparison", table: "ClassTable") -> str:
    """Say how two models differ: in voxels, where, of which classes, and in score."""
    before, after, difference = found.before, found.after, found.difference
    if not difference.voxels:
        return say(
            "There is no difference between the predictions of {before} and {after}.",
            before=before.name,
            after=after.name,
        )
    differ = say(
        "Between {before} and {after} {voxels:,} voxels differ ({share:.1%}), most on "
        "slice {where}.",
        before=before.name,
        after=after.name,
        voxels=difference.voxels,
        share=difference.share,
        where=SliceView(*difference.where),
    )
    names = {c.number: c.name for c in table.classes}
    largest = sorted(
        difference.gained, key=lambda number: -abs(difference.gained[number])
    )
    gained = [
        say(
            "{name}: {gained:+,} voxels",
            name=names.get(number, number),
            gained=difference.gained[number],
        )
        for number in largest[:_MOST]
    ]
    score = f"{quality_words(before)} \N{RIGHTWARDS ARROW} {quality_words(after)}"
    return "\n".join((differ, "; ".join(gained), score, chance_words(before, after)))


def chance_words(before: "ProjectModel", after: "ProjectModel") -> str:
    """Say whether two estimates differ by more than they may be wrong."""
    pair = [
        model.estimate.mean if model.estimate else None for model in (before, after)
    ]
    if pair[0] is None or pair[1] is None:
        return say("Whether one is better cannot be said: not both have an estimate.")
    if pair[0].high < pair[1].low or pair[1].high < pair[0].low:
        return say("The intervals do not overlap: the difference is probably real.")
    return say("The intervals overlap: the difference may be chance.")


def _interval(found: "Likely") -> str:
    return say(
        "{dice:.2f} ({low:.2f} to {high:.2f})",
        dice=found.dice,
        low=found.low,
        high=found.high,
    )


_ENDED = {
    "finished": template("finished"),
    "known by heart": template("known by heart"),
    "stopped": template("stopped"),
}
