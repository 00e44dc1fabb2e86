"""The command `predict`: apply a model to new volumes."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.cleaning import PREDICTING, add_clean
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_device, pair
from sparseseg.cli.inputs import add_numbering, read_annotation
from sparseseg.cli.outputs import check_image_name, make_room
from sparseseg.cli.progress import note
from sparseseg.cli.scores import estimate_facts, estimate_in_words
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.memory import check_memory, parse_size

if TYPE_CHECKING:
    from sparseseg.boxes import Box
    from sparseseg.data.volume import Volume
    from sparseseg.engine.model import Model
    from sparseseg.engine.segment import Extra
    from sparseseg.evaluation.estimate import DiceEstimate

_EXTRAS: "tuple[Extra, ...]" = ("probabilities", "uncertainty")


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help=say("a file, or an id of `models`")
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help=say("volumes to predict")
    )
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="FILE_OR_FOLDER"
    )
    _add_extras(parser)
    _add_choices(parser)
    add_clean(parser, PREDICTING)
    add_numbering(parser)
    add_device(parser)


def _add_extras(parser: ArgumentParser) -> None:
    """Let more than labels be written."""
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help=say(
            "write NAME-probabilities next to each prediction, one channel for each class"
        ),
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help=say("write NAME-uncertainty next to each prediction, 0 (sure) to 1"),
    )


def _add_choices(parser: ArgumentParser) -> None:
    """Let the prediction follow, leave out or save something."""
    parser.add_argument(
        "--annotation",
        help=say("the annotation of the image, which the prediction follows"),
    )
    parser.add_argument(
        "--depth",
        type=int,
        metavar="K",
        help=say("predict with head K of a UNet++ only, which is faster"),
    )
    parser.add_argument(
        "--option",
        dest="options",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help=say("an option of the model's recipe, such as mirror=false"),
    )
    parser.add_argument(
        "--memory",
        type=parse_size,
        metavar="SIZE",
        help=say(
            "the maximum memory for the process, such as 4GB; a volume larger than a tenth of it "
            "stays on disk"
        ),
    )
    parser.add_argument(
        "--inside",
        metavar="FILE",
        help=say(
            "a coarse segmentation of the image: predict only its box, a tenth larger on "
            "each side; the rest is background"
        ),
    )


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.files import frames

    arguments.images = [one for image in arguments.images for one in frames(image)]
    _check(arguments)
    targets = _targets(arguments.images, arguments.output)
    _make_room(arguments, targets)
    model = _opened(arguments)
    estimates = []
    for done, (image, target) in enumerate(zip(arguments.images, targets, strict=True)):
        try:
            estimates.append(_predict(model, image, target, arguments))
        except KeyboardInterrupt:
            message = say(
                "{done} of {count} predictions were written",
                done=done,
                count=len(targets),
            )
            raise KeyboardInterrupt(message) from None
    return _answer([str(target) for target in targets], estimates, arguments)


def _check(arguments: Namespace) -> None:
    for flag in ("annotation", "inside"):
        if getattr(arguments, flag) and len(arguments.images) > 1:
            raise UserError(
                "--{flag} takes one image: predict the others separately", flag=flag
            )
    if arguments.memory is not None:
        check_memory(arguments.memory)


def _opened(arguments: Namespace) -> "Model":
    from sparseseg.models.opening import open_model
    from sparseseg.nn.device import choose_device

    model = open_model(arguments.model)
    model.choose(dict(arguments.options))
    if arguments.depth is not None:
        model = model.at_depth(arguments.depth)
    model.network.to(choose_device(arguments.device))
    return model


def _answer(
    written: Sequence[str], estimates: "Sequence[DiceEstimate]", arguments: Namespace
) -> Answer:
    data: dict[str, Any] = {"predictions": list(written)}
    if len(written) > 1:
        told = [estimate.to_json() for estimate in estimates]
        return Answer({**data, "estimates": told}, "\n".join(written))
    is_worth_it = arguments.annotation or estimates[0].mean is not None
    words = estimate_in_words(estimates[0]) if is_worth_it else ""
    text = "\n".join(filter(None, (*written, words)))
    return Answer({**data, **estimate_facts(estimates[0])}, text)


def _predict(
    model: "Model", image: str, target: Path, arguments: Namespace
) -> "DiceEstimate":
    from sparseseg.data.files import (
        check_output,
        open_volume,
        read,
        write_image,
        write_labels,
    )
    from sparseseg.data.formats import beside
    from sparseseg.engine.segment import VOLUME_SHARE, Job
    from sparseseg.postprocessing import chosen_rules

    memory: int | None = arguments.memory
    limit = None if memory is None else int(memory * VOLUME_SHARE)
    volume = read(image) if limit is None else open_volume(image, at_most=limit)
    check_output(target, like=volume)
    if words := model.unlike(volume):
        note(words)
    annotation = arguments.annotation
    wanted: list[Extra] = [word for word in _EXTRAS if getattr(arguments, word)]
    job = Job(
        rules=chosen_rules(arguments.clean, model.rules),
        memory=memory,
        box=_box_of(arguments.inside, volume) if arguments.inside else None,
        extras=frozenset(wanted),
    )
    labels = read_annotation(annotation, volume, arguments) if annotation else None
    found = jobs.segment(model, volume, job, labels=labels)
    if found.doubt:
        note(found.doubt)
    write_labels(target, found.labels, like=volume, table=model.table)
    for word in wanted:
        write_image(beside(target, word), getattr(found, word), like=volume)
    return found.estimate


def _box_of(path: str, volume: "Volume") -> "Box":
    """Return the box that a coarse segmentation fills, a tenth larger on each side."""
    from scipy.ndimage import find_objects

    from sparseseg.boxes import Box
    from sparseseg.data.files import read_truth

    found = find_objects((read_truth(path, like=volume) != 0).view("u1"))
    if not found:
        raise UserError(
            "{path} is empty: leave --inside out to predict the whole volume", path=path
        )
    z, y, x = found[0]
    box = Box((z.start, y.start, x.start), (z.stop, y.stop, x.stop))
    dz, dy, dx = (-(-side // 10) for side in box.shape)
    return box.expand((dz, dy, dx)).clip(volume.shape)


def _targets(images: Sequence[str], output: Path) -> list[Path]:
    """Return where each prediction goes: one name, or the images' names in a folder."""
    from sparseseg.data.formats import ending_of

    if ending_of(output) or (output.suffix and not output.is_dir()):
        if len(images) > 1:
            raise UserError(
                "{count} images need a folder, and {output} is the name of one "
                "file: give -o FOLDER",
                count=len(images),
                output=output,
            )
        return [output]
    targets = [output / _name_for(Path(image)) for image in images]
    for target in targets:
        if targets.count(target) > 1:
            raise UserError(
                "two images are called {name}: predict them into two folders",
                name=target.name,
            )
    return targets


def _make_room(arguments: Namespace, targets: Sequence[Path]) -> None:
    """Check all that is written against all that is read."""
    from sparseseg.data.formats import beside

    for target in targets:
        check_image_name(target)
    extras = [word for word in _EXTRAS if getattr(arguments, word)]
    results = [*targets, *(beside(t, word) for t in targets for word in extras)]
    read = (arguments.model, arguments.annotation, arguments.inside)
    make_room(results, inputs=[*arguments.images, *read])


def _name_for(image: Path) -> str:
    """Return the name of an image, with another ending if that cannot be written."""
    from sparseseg.data.formats import ending_of, image_ending, result_ending
    from sparseseg.data.parts import split_part

    place, part = split_part(image)
    if not part:
        plain = image.name if place.is_dir() else image.stem
        return image.name if image_ending(image) else f"{plain}{result_ending(place)}"
    words = _in_a_name(part)
    return f"{place.name.removesuffix(ending_of(place))}-{words}{result_ending(place)}"


def _in_a_name(part: str) -> str:
    """Return a part of a file as words of a name: points of time keep their order."""
    place, found, time = part.partition("t=")
    words = place.strip("/#").split("/")
    if found and time.isdecimal():
        words.append(f"t{int(time):04}")
    elif found:
        words = part.strip("/").split("/")
    return "-".join(word for word in words if word)


PREDICT = Command("predict", say("apply a model to volumes"), _add_flags, _run)
