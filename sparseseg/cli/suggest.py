"""The command `suggest`: which slices to annotate next."""

from argparse import ArgumentParser, Namespace

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_device
from sparseseg.cli.inputs import add_numbering, read_annotation, say_what_differs
from sparseseg.errors import UserError
from sparseseg.language import say


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help=say("a volume"))
    parser.add_argument(
        "annotation", metavar="ANNOTATION", help=say("its annotation so far")
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help=say("a file, or an id of `models`, whose expected errors count as well"),
    )
    parser.add_argument(
        "--count",
        type=int,
        default=3,
        metavar="N",
        help=say("how many slices (default: 3)"),
    )
    add_numbering(parser)
    add_device(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import read
    from sparseseg.engine.suggesting import suggest
    from sparseseg.models.opening import open_model
    from sparseseg.nn.device import choose_device

    if arguments.count < 1:
        raise UserError("--count is 1 or more, got {count}", count=arguments.count)
    volume = read(arguments.image)
    labels = read_annotation(arguments.annotation, volume, arguments)
    model = open_model(arguments.model) if arguments.model else None
    if model is not None:
        say_what_differs(model, volume, labels)
        model.network.to(choose_device(arguments.device))
    found = [
        one.to_json()
        for one in suggest(volume, labels, model=model, count=arguments.count)
    ]
    lines = [f"{one['axis']} {one['index']}: {one['reason']}" for one in found]
    return Answer(
        {"slices": found}, "\n".join(lines) or say("every slice is annotated")
    )


SUGGEST = Command("suggest", say("say which slices to annotate next"), _add_flags, _run)
