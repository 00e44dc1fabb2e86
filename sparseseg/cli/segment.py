"""The command `segment`: train on one volume, then predict that volume."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.cleaning import check_lines
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import settings
from sparseseg.cli.inputs import read_case
from sparseseg.cli.outputs import (
    MODEL_SUFFIX,
    check_image_name,
    check_model_name,
    make_room,
)
from sparseseg.cli.progress import note
from sparseseg.cli.scores import as_table, estimate_facts, estimate_in_words
from sparseseg.cli.train import (
    add_training_flags,
    learn,
    parent_of,
    training_facts,
)
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseseg.data.labels import SparseLabels
    from sparseseg.data.volume import Volume


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help=say("a volume"))
    parser.add_argument("annotation", metavar="ANNOTATION", help=say("its annotation"))
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="PREDICTION"
    )
    parser.add_argument(
        "--model-out",
        type=Path,
        metavar=f"MODEL{MODEL_SUFFIX}",
        help=say("keep the model as well"),
    )
    parser.add_argument(
        "--truth", help=say("a dense segmentation to score the prediction with")
    )
    add_training_flags(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import write_labels
    from sparseseg.engine.segment import Job
    from sparseseg.evaluation import evaluate

    _check_names(arguments)
    volume, labels, truth = _read(arguments)
    _make_room(arguments)
    model = learn(arguments, [(volume, labels)], rescue=_rescue(arguments))
    if arguments.model_out:
        jobs.save(model, arguments.model_out)
    found = jobs.segment(model, volume, Job(), labels=labels)
    jobs.say_what_would_help(model)
    prediction = found.labels
    try:
        write_labels(arguments.output, prediction, like=volume, table=model.table)
    except UserError:
        if not arguments.model_out:  # what was learned can predict again
            jobs.save(model, _rescue(arguments))
            note(say("the model was saved to {rescue}", rescue=_rescue(arguments)))
        raise
    data = {"prediction": str(arguments.output), "method": found.method}
    data |= training_facts(model)
    text = f"{arguments.output}\n{estimate_in_words(found.estimate)}"
    if truth is not None:
        scores = evaluate(prediction, truth, annotation=labels.array)
        data |= scores
        text += f"\n{as_table(scores)}"
    return Answer(data | estimate_facts(found.estimate), text)


def _read(
    arguments: Namespace,
) -> "tuple[Volume, SparseLabels, NDArray[Any] | None]":
    """Return image, annotation and truth, if all that is asked for fits them."""
    from sparseseg.data.files import check_output, read_truth
    from sparseseg.evaluation import check_truth

    volume, labels = read_case(arguments.image, arguments.annotation, arguments)
    check_output(arguments.output, like=volume)
    check_lines(arguments, [(volume, labels)])
    if not arguments.truth:
        return volume, labels, None
    truth = read_truth(arguments.truth, like=volume)
    check_truth(truth, annotation=labels.array)
    return volume, labels, truth


def _check_names(arguments: Namespace) -> None:
    settings(arguments)
    check_image_name(arguments.output)
    if arguments.model_out:
        check_model_name(arguments.model_out)


def _make_room(arguments: Namespace) -> None:
    results = [arguments.output, _rescue(arguments)]
    given = (arguments.image, arguments.annotation, arguments.truth)
    make_room(results, inputs=[*given, parent_of(arguments)])


def _rescue(arguments: Namespace) -> Path:
    """Return where the model goes, at the latest when the command is stopped."""
    wanted: Path | None = arguments.model_out
    return wanted or Path(f"{arguments.output}{MODEL_SUFFIX}")


SEGMENT = Command(
    "segment", say("train on one annotated volume and predict it"), _add_flags, _run
)
