"""The command `doubts`: where a prediction may be wrong between the slices."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_count, add_device
from sparseseg.cli.inputs import add_numbering, read_annotation, say_what_differs
from sparseseg.cli.outputs import check_image_name, make_room
from sparseseg.language import say
from sparseseg.settings.looking import PLACES

if TYPE_CHECKING:
    from sparseseg.evaluation.doubt import Place


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help=say("a file, or an id of `models`")
    )
    parser.add_argument("image", metavar="IMAGE", help=say("a volume"))
    parser.add_argument("annotation", metavar="ANNOTATION", help=say("its annotation"))
    add_count(parser, say("how many places at most"), PLACES)
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help=say("write how doubtful each voxel is, 0 (sure) to 255"),
    )
    add_numbering(parser)
    add_device(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import read, write_image
    from sparseseg.engine.doubts import find_doubts
    from sparseseg.models.opening import open_model
    from sparseseg.nn.device import choose_device
    from sparseseg.reporting.doubtful import place_in_words

    given = (arguments.model, arguments.image, arguments.annotation)
    if arguments.output is not None:
        check_image_name(arguments.output)
        make_room([arguments.output], inputs=given)
    volume = read(arguments.image)
    labels = read_annotation(arguments.annotation, volume, arguments)
    model = open_model(arguments.model)
    say_what_differs(model, volume, labels)
    model.network.to(choose_device(arguments.device))
    doubt, places = find_doubts(model, volume, labels, count=arguments.count)
    if arguments.output is not None:
        write_image(arguments.output, doubt.whole(volume.shape), like=volume)
    names = {number: model.table[number].name for number in model.table.numbers}
    lines = [place_in_words(place, names) for place in places]
    data = {"places": [_facts(place) for place in places]}
    return Answer(data, "\n".join(lines) or say("No place stands out."))


def _facts(place: "Place") -> dict[str, Any]:
    z, y, x = place.at
    return {
        "z": z,
        "y": y,
        "x": x,
        "doubt": place.doubt,
        "sign": place.sign,
        "predicted": place.predicted,
    }


DOUBTS = Command(
    "doubts", say("find places where a prediction may be wrong"), _add_flags, _run
)
