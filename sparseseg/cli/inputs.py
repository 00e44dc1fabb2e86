"""Reading what a command was given."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.cli.progress import note
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseseg.data.labels import SparseLabels
    from sparseseg.data.volume import Volume
    from sparseseg.engine.model import Model


def add_numbering(parser: ArgumentParser) -> None:
    """Let annotations come in any numbering."""
    unlabelled = say(
        "the value of unlabelled voxels in the annotation (default: {default})",
        default=UNLABELLED,
    )
    background = say(
        "the value of background voxels in the annotation (default: {default})",
        default=BACKGROUND,
    )
    for flag, default, words in (
        ("--unlabelled", UNLABELLED, unlabelled),
        ("--background", BACKGROUND, background),
    ):
        parser.add_argument(flag, type=int, default=default, metavar="V", help=words)


def pairs_of(files: "Sequence[str]", need: str) -> list[tuple[str, str]]:
    """Return files in pairs; `UserError`, with what is needed, for an odd number."""
    if len(files) % 2:
        raise UserError(
            "{need}, got {count} files: give them one after the other",
            need=need,
            count=len(files),
        )
    return list(zip(files[::2], files[1::2], strict=True))


def read_case(
    image: str, annotation: str, arguments: Namespace
) -> "tuple[Volume, SparseLabels]":
    """Read an image and its annotation; `UserError` where they do not fit."""
    from sparseseg.data.files import read

    volume = read(image)
    labels = read_annotation(annotation, volume, arguments)
    if arguments.background == BACKGROUND and set(labels.counts()) == {BACKGROUND}:
        raise UserError(
            "{annotation} holds no class, only 255, which is background here: if 255 is "
            "the object of a mask, give --background 0 --unlabelled -1; if all is "
            "background so far, label an object too",
            annotation=annotation,
        )
    is_usual = arguments.background == BACKGROUND
    if is_usual and len(labels.numbers()) > 1 and not labels.has_background():
        note(
            say(
                "{annotation} holds no background (255), so every voxel gets a class: if "
                "0 is background there, give --background 0 --unlabelled -1",
                annotation=annotation,
            )
        )
    return volume, labels


def read_annotation(
    path: str, volume: "Volume", arguments: Namespace
) -> "SparseLabels":
    """Read the annotation of a volume, in the numbering of the flags."""
    from sparseseg.data import files

    return files.read_annotation(
        path,
        unlabelled=arguments.unlabelled,
        background=arguments.background,
        like=volume,
    )


def say_what_differs(model: "Model", volume: "Volume", labels: "SparseLabels") -> None:
    """Note where a volume and its classes are unlike what a model was trained on."""
    from sparseseg.engine.unlike import unknown_classes

    for words in (model.unlike(volume), unknown_classes(model.plan.classes, labels)):
        if words:
            note(words)
