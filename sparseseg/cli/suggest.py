"""The command `suggest`: which slices to annotate next."""

from argparse import ArgumentParser, Namespace

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_count, add_device
from sparseseg.cli.inputs import add_numbering, read_annotation, say_what_differs
from sparseseg.language import say
from sparseseg.settings.looking import SLICES


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
    add_count(parser, say("how many slices"), SLICES)
    add_numbering(parser)
    add_device(parser)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import read
    from sparseseg.engine.suggesting import suggest
    from sparseseg.models.opening import open_model
    from sparseseg.nn.device import choose_device

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
