"""The action `export` of the command `models`: a model for another program."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.cli.command import Answer
from sparseseg.cli.flags import Spelled, add_given, fields
from sparseseg.language import say
from sparseseg.settings.exports import ExportFormat, ExportSettings

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from sparseseg.engine.model import Model
    from sparseseg.models.exporting import Compared


def add_exporting(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the flags of the action."""
    exporting = actions.add_parser(
        "export", help=say("write a model for another program")
    )
    exporting.add_argument("model", metavar="MODEL", help=say("a file, or an id"))
    exporting.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="NAME",
        help=say("the file: NAME.onnx, NAME.zip for a package, a folder for nnU-Net"),
    )
    add_given(exporting, ExportSettings, spelled=_SPELLED)


def export(arguments: Namespace) -> Answer:
    """Write a model in the format that is asked for."""
    settings = fields(arguments, ExportSettings)
    settings.check_named(
        authors=_SPELLED["authors"].flag, licence=_SPELLED["licence"].flag
    )
    return _FORMATS[settings.format](arguments, settings)


def _onnx(arguments: Namespace, settings: ExportSettings) -> Answer:
    from sparseseg.models.exporting import export_onnx

    model, output = _model(arguments), arguments.output
    return _told(export_onnx(model, output, settings.sides), arguments)


def _bioimageio(arguments: Namespace, settings: ExportSettings) -> Answer:
    from sparseseg.models.package_description import About
    from sparseseg.models.packaging import export_package

    output = arguments.output
    about = About(
        authors=tuple(settings.authors), licence=settings.licence, name=output.stem
    )
    return _told(
        export_package(_model(arguments), output, settings.sides, about), arguments
    )


def _nnunet(arguments: Namespace, _settings: ExportSettings) -> Answer:
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


_FORMATS: dict[ExportFormat, Callable[[Namespace, ExportSettings], Answer]] = {
    "onnx": _onnx,
    "bioimageio": _bioimageio,
    "nnunet": _nnunet,
}
_SPELLED = {
    "patch": Spelled("--patch", metavar="ZxYxX"),
    "authors": Spelled("--author"),
    "licence": Spelled("--licence", metavar="ID"),
}
