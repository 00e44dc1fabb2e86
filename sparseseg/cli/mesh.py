"""The command `mesh`: write surfaces of labels as triangles."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import add_fields, fields
from sparseseg.cli.progress import bar
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.settings.objects import MESH_ENDINGS, MeshSettings

if TYPE_CHECKING:
    from sparseseg.data.volume import Volume

_FORMATS = tuple(ending[1:] for ending in MESH_ENDINGS)


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "labels", metavar="LABELS", help=say("a segmentation, or objects")
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="FILE_OR_FOLDER",
        help=say(
            "NAME.stl, .ply or .obj for one surface, or a folder for one of each number"
        ),
    )
    parser.add_argument(
        "--number",
        dest="numbers",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help=say("a class or an object; without it all but 0"),
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="stl",
        help=say("of the files in a folder (default: stl)"),
    )
    add_fields(parser, MeshSettings)


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data.atomic import make_folder
    from sparseseg.data.files import read_dense
    from sparseseg.data.overwriting import check_overwrites

    settings = fields(arguments, MeshSettings)
    volume = read_dense(arguments.labels)
    groups = _groups(volume, arguments)
    check_overwrites(list(groups), [arguments.labels])
    for path in groups:
        make_folder(path.parent)
    written = _written(volume, groups, settings)
    lines = [
        say(
            "{path}: {volume:.6g} {unit}3, {triangles} triangles",
            path=path,
            volume=entry["volume"],
            unit=volume.unit,
            triangles=entry["triangles"],
        )
        for path, entry in written.items()
    ]
    data = {"surfaces": written, "unit": volume.unit}
    return Answer(data, "\n".join(lines))


def _nothing_to_write(labels: str, missing: set[int], there: list[int]) -> UserError:
    if not there:
        return UserError(
            "{labels} holds no number but 0: nothing to write", labels=labels
        )
    return UserError(
        "{labels} holds no number {wanted}: those in it are {listed}",
        labels=labels,
        wanted=", ".join(map(str, sorted(missing))),
        listed=", ".join(map(str, there[:8])),
    )


def _groups(volume: "Volume", arguments: Namespace) -> dict[Path, list[int]]:
    """Return which numbers go into which file."""
    import numpy as np

    labels = volume.array[:]
    there = [int(number) for number in np.unique(labels) if number != 0]
    missing = set(arguments.numbers) - set(there)
    if missing or not there:
        raise _nothing_to_write(arguments.labels, missing, there)
    numbers = arguments.numbers or there
    output: Path = arguments.output
    if output.suffix.lower() in MESH_ENDINGS:
        return {output: numbers}
    if output.suffix and not output.is_dir():
        raise UserError(
            "cannot write {output}: use {mesh_endings} or a folder",
            output=output,
            mesh_endings=", ".join(MESH_ENDINGS),
        )
    ending = f".{arguments.format}"
    return {output / f"{number:04}{ending}": [number] for number in numbers}


def _written(
    volume: "Volume", groups: dict[Path, list[int]], settings: MeshSettings
) -> dict[str, dict[str, float]]:
    import numpy as np

    from sparseseg.postprocessing.objects.meshes import mesh_of

    labels = volume.array[:][0]
    written: dict[str, dict[str, float]] = {}
    with bar(say("surfaces")) as show:
        for done, (path, numbers) in enumerate(groups.items(), 1):
            mesh = mesh_of(np.isin(labels, numbers), volume, settings)
            mesh.write(path)
            written[str(path)] = {
                "volume": mesh.volume,
                "triangles": len(mesh.faces),
                "closed": mesh.is_closed,
            }
            show(done / len(groups), path.name)
    return written


MESH = Command("mesh", say("write surfaces of labels as triangles"), _add_flags, _run)
