"""The command `evaluate`: score predictions against dense truths."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.inputs import add_numbering, pairs_of, read_annotation
from sparseseg.cli.scores import (
    as_table,
    as_tables,
    burden_in_words,
    distances_in_words,
)
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sparseseg.data.units import Spacing
    from sparseseg.data.volume import Volume
    from sparseseg.evaluation import Pair


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "volumes",
        nargs="+",
        metavar="PREDICTION TRUTH",
        help=say("predictions and their dense truths, 0..254"),
    )
    parser.add_argument(
        "--annotation",
        dest="annotations",
        action="append",
        default=[],
        metavar="ANNOTATION",
        help=say("score only the voxels that are unlabelled in it; once for each pair"),
    )
    _add_measures(parser)
    add_numbering(parser)


def _add_measures(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="D",
        help=say(
            "give surface Dice at this distance, in the unit of the volume, such as mm"
        ),
    )
    parser.add_argument(
        "--within",
        type=_two_classes,
        action="append",
        default=[],
        metavar="A:B",
        help=say(
            "class A, a tumour, lies within class B, an organ, and counts there too"
        ),
    )
    parser.add_argument(
        "--burden",
        type=_two_classes,
        metavar="A:B",
        help=say(
            "give the error of the tumour burden, the share of tumour A in organ B with it"
        ),
    )


def _two_classes(words: str) -> tuple[int, int]:
    first, _, second = words.partition(":")
    if not (first.isdecimal() and second.isdecimal()):
        raise UserError(
            "two classes are given as A:B, like 2:1, got {words!r}", words=words
        )
    return int(first), int(second)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.evaluation import evaluate_cases

    reader = _Reader(arguments)
    result = evaluate_cases(
        reader.pairs(),
        tolerance=arguments.tolerance,
        within=dict(arguments.within),
        burden=arguments.burden,
    )
    alone = len(result["cases"]) == 1
    scores = result["cases"][0] if alone else result
    data: dict[str, Any] = {**scores, "unit": reader.unit}
    lines = [
        as_table(scores) if alone else as_tables(scores),
        distances_in_words(reader.unit, arguments.tolerance),
    ]
    if arguments.burden:
        data["burden"] = result["burden"]
        lines.append(burden_in_words(result["burden"]))
    return Answer(data, "\n".join(lines))


@dataclass
class _Reader:
    """Reads one pair after the other, and knows the unit of their voxel sizes."""

    arguments: Namespace
    unit: str = field(default="", init=False)

    def pairs(self) -> "Iterator[Pair]":
        files = pairs_of(self.arguments.volumes, say("each prediction needs its truth"))
        annotations = self._annotations(len(files))
        for (prediction, truth), annotation in zip(files, annotations, strict=True):
            yield self._pair(prediction, truth, annotation)

    def _annotations(self, number: int) -> "Sequence[str | None]":
        given = self.arguments.annotations
        if given and len(given) != number:
            raise UserError(
                "there are {number} pairs and {count} annotations: give "
                "--annotation once for each pair, in their order",
                number=number,
                count=len(given),
            )
        return given or [None] * number

    def _pair(self, prediction: str, truth: str, annotation: str | None) -> "Pair":
        from sparseseg.data.files import read_dense
        from sparseseg.evaluation import Pair

        true = read_dense(truth)
        found = read_dense(prediction, like=true)
        labels = (
            read_annotation(annotation, true, self.arguments) if annotation else None
        )
        spacing = self._spacing(found, true)
        return Pair(
            found.array[0], true.array[0], spacing, labels.array if labels else None
        )

    def _spacing(self, found: "Volume", true: "Volume") -> "Spacing":
        """Return the voxel size of the truth, or of the prediction if it has none."""
        from sparseseg.data.units import PIXEL

        chosen = found if true.unit == PIXEL else true
        if self.unit not in ("", chosen.unit):
            raise UserError(
                "distances of {name} are in {unit}, those before in "
                "{this_unit}: evaluate volumes of one unit together",
                name=true.name,
                unit=chosen.unit,
                this_unit=self.unit,
            )
        self.unit = chosen.unit
        return chosen.spacing


EVALUATE = Command(
    "evaluate", say("score predictions against dense truths"), _add_flags, _run
)
