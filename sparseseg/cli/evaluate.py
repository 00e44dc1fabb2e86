"""The command `evaluate`: score a prediction against a dense truth."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.inputs import add_numbering, read_annotation


def as_table(scores: Mapping[str, Any], names: Mapping[int, str] | None = None) -> str:
    """Return IoU and Dice of each class, by its name, in lines of equal width."""
    known = {0: "background", **(names or {})}
    rows = [
        (known.get(number, f"class {number}")[:15], iou, scores["dice"][number])
        for number, iou in scores["iou"].items()
    ]
    rows.append(("mean of classes", scores["mean_iou"], scores["mean_dice"]))
    lines = [f"{name:<16}{iou:6.3f}{dice:7.3f}" for name, iou, dice in rows]
    head = f"{'':<16}{'IoU':>6}{'Dice':>7}"
    scored = f"on the {1 - scores['annotated']:.1%} of the voxels not annotated"
    return "\n".join([head, *lines, scored])


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("prediction", metavar="PREDICTION")
    parser.add_argument("truth", metavar="TRUTH", help="a dense segmentation, 0..254")
    parser.add_argument("--annotation", help="score only what is unlabelled in it")
    add_numbering(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import read_truth
    from sparseseg.evaluation import evaluate

    prediction, truth = (
        read_truth(path) for path in (arguments.prediction, arguments.truth)
    )
    path = arguments.annotation
    annotation = read_annotation(path, truth.shape, arguments).array if path else None
    scores = evaluate(prediction, truth, annotation=annotation)
    return Answer(scores, as_table(scores))


EVALUATE = Command(
    "evaluate", "score a prediction against a dense truth", _add_flags, _run
)
