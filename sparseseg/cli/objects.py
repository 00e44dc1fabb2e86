"""The command `objects`: tell the objects of a segmentation apart and measure them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_fields, fields
from sparseseg.cli.outputs import check_image_name, make_room
from sparseseg.cli.progress import bar
from sparseseg.errors import UserError
from sparseseg.language import say, say_count
from sparseseg.settings.objects import ObjectSettings

if TYPE_CHECKING:
    from sparseseg.data.volume import Volume
    from sparseseg.postprocessing.objects import Measurements
    from sparseseg.postprocessing.objects.instances import Found

_FINDING = 0.5
"""The share of the bar for telling objects apart; the rest is for measuring."""


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("labels", metavar="LABELS", help=say("a segmentation"))
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="OBJECTS",
        help=say("the file for the objects, each with a number of its own"),
    )
    parser.add_argument(
        "--class",
        dest="classes",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help=say("a class whose objects are found; without it all but 0"),
    )
    add_fields(parser, ObjectSettings)
    parser.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help=say("measure all objects into this file"),
    )
    parser.add_argument(
        "--image",
        metavar="IMAGE",
        help=say("also measure the grey values of this image"),
    )
    parser.add_argument(
        "--truth", metavar="OBJECTS", help=say("score the objects against true ones")
    )


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import check_output, read_dense, read_truth, write_labels

    settings = fields(arguments, ObjectSettings)
    _check_outputs(arguments)
    volume = read_dense(arguments.labels)
    check_output(arguments.output, like=volume)
    truth = read_truth(arguments.truth, like=volume) if arguments.truth else None
    image = _image(arguments.image, volume) if arguments.image else None
    with bar(say("objects")) as show:
        found = _found(volume, settings, arguments.classes, show)
        table = _measured(found, volume, image, show) if arguments.table else None
    write_labels(arguments.output, found.instances, like=volume)
    data: dict[str, Any] = {
        "objects": len(found.classes),
        "sizes": list(found.sizes),
        "left_out": found.left_out,
        "unit": volume.unit,
        "output": str(arguments.output),
    }
    lines = [
        say(
            "{count} objects in {output}",
            count=len(found.classes),
            output=arguments.output,
        ),
        *_left_out(found),
    ]
    if table is not None:
        table.write(arguments.table)
        data["table"] = str(arguments.table)
        lines.append(say("measurements in {table}", table=arguments.table))
    if truth is not None:
        lines.append(_scored(found, truth, data))
    return Answer(data, "\n".join(lines))


def _left_out(found: "Found") -> list[str]:
    if not found.left_out:
        return []
    return [
        say_count(
            "{count} smaller one was left out: --smallest says what is too small",
            "{count} smaller ones were left out: --smallest says what is too small",
            found.left_out,
        )
    ]


def _check_outputs(arguments: Namespace) -> None:
    check_image_name(arguments.output)
    if arguments.table and arguments.table.suffix.lower() != ".csv":
        raise UserError(
            "a table is written as NAME.csv, got {name!r}", name=arguments.table.name
        )
    if arguments.image and not arguments.table:
        raise UserError("--image is measured into a table: give --table NAME.csv too")
    results = [path for path in (arguments.output, arguments.table) if path]
    make_room(results, inputs=[arguments.labels, arguments.image, arguments.truth])


def _image(name: str, labels: "Volume") -> "Volume":
    from sparseseg.data.alignment import aligned
    from sparseseg.data.files import read

    try:
        return aligned(read(name), labels)
    except UserError as error:
        raise UserError("{name}: {error}", name=name, error=error) from error


def _found(
    volume: "Volume", settings: ObjectSettings, classes: list[int], show: Any
) -> "Found":
    from sparseseg.postprocessing.objects.instances import finding

    labels = volume.array[:][0]
    steps = finding(labels, spacing=volume.spacing, settings=settings, classes=classes)
    found = []
    for step in steps:
        found = [step]
        show(_FINDING * min(1.0, len(step.sizes) / max(len(classes), 1)), volume.name)
    return found[0]


def _measured(
    found: "Found", volume: "Volume", image: "Volume | None", show: Any
) -> "Measurements":
    from sparseseg.postprocessing.objects.measurements import Measurements, measuring

    for step in measuring(
        found.instances,
        spacing=volume.spacing,
        unit=volume.unit,
        classes=found.classes,
        image=image.array if image else None,
    ):
        if isinstance(step, Measurements):
            return step
        show(_FINDING + (1 - _FINDING) * step, volume.name)
    raise AssertionError("the last step is the table")


def _scored(found: "Found", truth: Any, data: dict[str, Any]) -> str:
    from sparseseg.evaluation.objects import score_objects

    scores = score_objects(found.instances, truth)
    data["scores"] = scores
    return say(
        "of {true} true objects: average precision {ap50:.3f} at "
        "IoU 0.5, {ap75:.3f} at 0.75, panoptic quality {pq:.3f}",
        true=scores["true"],
        ap50=scores["ap50"],
        ap75=scores["ap75"],
        pq=scores["pq"],
    )


OBJECTS = Command(
    "objects",
    say("tell the objects of a segmentation apart and measure them"),
    _add_flags,
    _run,
)
