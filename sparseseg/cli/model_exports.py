"""The action `export` of the command `models`: a model for another program."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.cli.command import Answer
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from sparseseg.boxes import Triple
    from sparseseg.engine.model import Model
    from sparseseg.models.exporting import Compared


def add_exporting(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the flags of the action."""
    exporting = actions.add_parser(
        "export", help=say("write a model for another program")
    )
    exporting.add_argument("model", metavar="MODEL", help=say("a file, or an id"))
    exporting.add_argument(
        "--format",
        choices=tuple(_FORMATS),
        default="onnx",
        help=say(
            "one ONNX file, a package of BioImage.IO, or a folder of nnU-Net 2 (default: "
            "onnx)"
        ),
    )
    exporting.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="NAME",
        help=say("the file: NAME.onnx, NAME.zip for a package, a folder for nnU-Net"),
    )
    exporting.add_argument(
        "--patch",
        default="32x64x64",
        metavar="ZxYxX",
        help=say("the fixed input of ONNX, in voxels"),
    )
    exporting.add_argument(
        "--author",
        dest="authors",
        action="append",
        default=[],
        metavar="NAME",
        help=say("who made the model, for a package; may be repeated"),
    )
    exporting.add_argument(
        "--licence",
        default="",
        metavar="ID",
        help=say("under which others may use it, for a package: such as CC-BY-4.0"),
    )


def export(arguments: Namespace) -> Answer:
    """Write a model in the format that is asked for."""
    return _FORMATS[arguments.format](arguments)


def _onnx(arguments: Namespace) -> Answer:
    from sparseseg.models.exporting import export_onnx

    patch = _patch(arguments.patch)
    return _told(export_onnx(_model(arguments), arguments.output, patch), arguments)


def _bioimageio(arguments: Namespace) -> Answer:
    from sparseseg.models.package_description import About
    from sparseseg.models.packaging import export_package

    about = About(
        authors=tuple(arguments.authors),
        licence=arguments.licence,
        name=arguments.output.stem,
    )
    patch, output = _patch(arguments.patch), arguments.output
    return _told(export_package(_model(arguments), output, patch, about), arguments)


def _nnunet(arguments: Namespace) -> Answer:
    from sparseseg.models.nnunet_folder import export_folder

    labels = export_folder(_model(arguments), arguments.output)
    text = say(
        "{output}: labels {labels}",
        output=arguments.output,
        labels=", ".join(f"{label} {name}" for name, label in labels.items()),
    )
    return Answer({"path": str(arguments.output), "labels": labels}, text)


def _model(arguments: Namespace) -> "Model":
    from sparseseg.models.opening import open_model

    return open_model(arguments.model)


def _patch(words: str) -> "Triple":
    sides = words.lower().split("x")
    if len(sides) != 3 or not all(side.isdecimal() for side in sides):
        raise UserError(
            "a patch is ZxYxX, such as 32x64x64, got {patch!r}", patch=words
        )
    z, y, x = map(int, sides)
    return z, y, x


def _told(found: "Compared", arguments: Namespace) -> Answer:
    text = say(
        "{output}: onnxruntime labels {differing} of {voxels} "
        "voxels otherwise, and probabilities differ by {probability:.1e} at most",
        output=arguments.output,
        differing=found.differing,
        voxels=found.voxels,
        probability=found.probability,
    )
    return Answer({"path": str(arguments.output), **asdict(found)}, text)


_FORMATS: dict[str, Callable[[Namespace], Answer]] = {
    "onnx": _onnx,
    "bioimageio": _bioimageio,
    "nnunet": _nnunet,
}
