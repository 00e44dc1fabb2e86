"""The command `train`: learn from annotated volumes, and what `segment` shares with it."""

import dataclasses
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.cleaning import TRAINING, add_clean, check_lines
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_settings, settings
from sparseseg.cli.inputs import add_numbering, pairs_of, read_case
from sparseseg.cli.outputs import check_model_name, make_room
from sparseseg.cli.progress import note
from sparseseg.cli.scores import estimate_facts
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.progress import uses_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.engine.model import Model
    from sparseseg.evaluation.estimate import DiceEstimate
    from sparseseg.recipes import Case


def add_training_flags(parser: ArgumentParser) -> None:
    """Give a parser all that a training of annotated files can be told."""
    add_learning_flags(parser)
    add_numbering(parser)


def add_learning_flags(parser: ArgumentParser) -> None:
    """Give a parser all that a training can be told, wherever its annotations are."""
    add_settings(parser)
    add_clean(parser, TRAINING)


def learn(arguments: Namespace, cases: "Sequence[Case]", *, rescue: Path) -> "Model":
    """Train a new model, or one that was given, as the flags say."""
    from sparseseg.postprocessing import chosen_rules
    from sparseseg.starting import create

    chosen = settings(arguments)
    model = create(cases, chosen)
    for volume, _ in cases if chosen.parent else ():
        if words := model.unlike(volume):
            note(words)
    recipe = getattr(arguments, "recipe", model.plan.recipe)
    if recipe != model.plan.recipe:
        raise UserError(
            "{parent} follows the recipe {recipe} and cannot go "
            "on with {other}: leave --recipe out",
            parent=chosen.parent,
            recipe=model.plan.recipe,
            other=recipe,
        )
    chosen = dataclasses.replace(chosen, recipe=recipe)
    model.rules = chosen_rules(arguments.clean, model.rules)
    jobs.train(model, cases, chosen, rescue=rescue)
    return model


def parent_of(arguments: Namespace) -> str | None:
    """Return the file or id of the model that the training starts from, if given."""
    parent: str | None = getattr(arguments, "parent", None)
    return parent


def training_facts(model: "Model") -> dict[str, Any]:
    """Return what is told of a training: recipe, steps, seconds, held-out score."""
    history = model.history
    facts = {name: history[name] for name in ("step", "seconds")}
    scores = {name: history.get(name) for name in ("held_out", "other_volume")}
    return {"recipe": model.plan.recipe, **facts, **scores}


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "volumes",
        nargs="+",
        metavar="IMAGE ANNOTATION",
        help=say("volumes and their annotations"),
    )
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="MODEL.safetensors"
    )
    add_training_flags(parser)


def _run(arguments: Namespace) -> Answer:
    output = arguments.output
    check_model_name(output)
    settings(arguments)  # complains, if it has to, before anything is read
    pairs = pairs_of(arguments.volumes, say("each image needs its annotation"))
    cases = [read_case(*pair, arguments) for pair in pairs]
    check_lines(arguments, cases)
    make_room([output], inputs=[*arguments.volumes, parent_of(arguments)])
    model = learn(arguments, cases, rescue=output)
    jobs.save(model, output)
    return trained(model, output)


def trained(model: "Model", output: Path) -> Answer:
    """Say where a model is, and what it took."""
    facts = training_facts(model)
    text = say(
        "{output}: {step} steps in {seconds:.0f} s",
        output=output,
        step=facts["step"],
        seconds=facts["seconds"],
    )
    estimate = _estimate(model)
    lines = [text, estimate.reason, *uses_in_words(model.history)]
    data = {"model": str(output), **facts, **estimate_facts(estimate)}
    return Answer(data, "\n".join(filter(None, lines)))


def _estimate(model: "Model") -> "DiceEstimate":
    from sparseseg.engine.score.evidence import evidence_of
    from sparseseg.evaluation.estimate import DiceEstimate, estimate

    found = evidence_of(model.history)
    if found is None:
        return DiceEstimate(
            None, {}, say("no estimate: no slices were left out in turn")
        )
    return estimate(found)


TRAIN = Command("train", say("learn a model from annotated volumes"), _add_flags, _run)
