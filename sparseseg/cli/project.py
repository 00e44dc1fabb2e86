"""The command `project`: volumes, annotations, journal and models in one folder."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.cleaning import check_lines
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import settings
from sparseseg.cli.inputs import add_numbering
from sparseseg.cli.progress import note
from sparseseg.cli.project_outputs import export, replay, report
from sparseseg.cli.train import add_learning_flags, learn, trained
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.project.project import Project


def _add_flags(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    added: dict[str, ArgumentParser] = {}
    for name, words in _HELP.items():
        added[name] = actions.add_parser(name, help=words, description=f"{words}.")
        added[name].add_argument("folder", type=Path, metavar="FOLDER")
        added[name].add_argument(
            "--json", action="store_true", help=say("for machines")
        )
    _add_image_flags(added["add"])
    add_learning_flags(added["train"])
    added["train"].add_argument(
        "--volume",
        action="append",
        default=[],
        metavar="NAME",
        help=say(
            "train on this volume; may be repeated (default: all annotated volumes)"
        ),
    )
    for name in ("replay", "export"):
        added[name].add_argument(
            "-o", dest="output", type=Path, required=True, metavar="OUT"
        )
    added["report"].add_argument(
        "-o", dest="output", type=Path, required=True, metavar="FILE.html"
    )
    added["replay"].add_argument(
        "--train",
        action="store_true",
        help=say("train the newest model again too, with its settings"),
    )


_HELP = {
    "new": say("make an empty project in a new folder"),
    "add": say("add volumes to a project"),
    "info": say("show what is in a project"),
    "train": say("learn a model from the annotated volumes of a project"),
    "replay": say("make the annotations again from the journal"),
    "export": say("write annotations, classes and models as plain files"),
    "report": say("write volumes, work, models and scores as one HTML file"),
    "open": say("open a project in napari"),
}


def _add_image_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help=say(
            "the file of a volume, a folder of volumes, or a pattern such as 'scans/*.tif'; "
            "with --worst, the folder of the predictions of a batch"
        ),
    )
    parser.add_argument(
        "--annotation", metavar="FILE", help=say("its annotation so far")
    )
    parser.add_argument(
        "--worst",
        type=int,
        metavar="N",
        help=say(
            "add the N volumes of a batch that need you most, the first ones of its report"
        ),
    )
    parser.add_argument(
        "--copy", action="store_true", help=say("copy the image into the project")
    )
    add_numbering(parser)


def _run(arguments: Namespace) -> Answer:
    return _ACTIONS[arguments.action](arguments)


def _new(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    Project.new(arguments.folder).close()
    return Answer({"folder": str(arguments.folder)}, str(arguments.folder))


def _add(arguments: Namespace) -> Answer:
    from sparseseg.project.images import find_images
    from sparseseg.project.project import Project

    found = find_images(_images(arguments))
    if arguments.annotation is not None and len(found) > 1:
        raise UserError(
            "--annotation belongs to one image, and {count} are given: add that "
            "image by itself",
            count=len(found),
        )
    with Project(arguments.folder) as project:
        # One image that cannot be added must not keep the others of a folder out.
        added = [_add_one(project, path, arguments, len(found)) for path in found]
        names = [name for name in added if name]
        lines = [line for name in names for line in _lines_of(project, name)]
        paths = {name: project.record_of(name).path for name in names}
    facts: dict[str, Any] = {"folder": str(arguments.folder), "volumes": paths}
    if len(found) == 1:
        facts |= {"volume": names[0], "path": paths[names[0]]}
    return Answer(facts, "\n".join(lines), code=0 if all(added) else 2)


def _images(arguments: Namespace) -> list[str] | list[Path]:
    """Return the images that were named, or the worst ones of a batch."""
    given: list[str] = arguments.images
    if arguments.worst is None:
        return given
    from sparseseg.batch.triage import worst_images

    if len(given) > 1:
        raise UserError(
            "--worst takes the folder of one batch, and {count} are given",
            count=len(given),
        )
    return worst_images(Path(given[0]), arguments.worst)


def _add_one(
    project: "Project", image: Path, arguments: Namespace, count: int
) -> str | None:
    """Add one image of several; what is wrong with it is said, and None returned."""
    try:
        return project.add(
            image,
            annotation=arguments.annotation,
            copy=arguments.copy,
            unlabelled=arguments.unlabelled,
            background=arguments.background,
        ).name
    except UserError as error:
        if count == 1:
            raise
        note(str(error))
        return None


def _lines_of(project: "Project", name: str) -> list[str]:
    ledger = project.labels(name).ledger()
    return [
        f"{name}: {project.record_of(name).path}",
        *(ledger.lines(project.classes) if ledger.counts else ()),
    ]


def _info(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    with Project(arguments.folder, read_only=True) as project:
        facts = project.info()
    return Answer(facts, "\n".join(_lines(facts)))


_STATES = {
    "here": say("here"),
    "moved": say("moved"),
    "changed": say("changed"),
    "gone": say("gone"),
}


def _lines(facts: dict[str, Any]) -> list[str]:
    names = ", ".join(f"{c['number']} {c['name']}" for c in facts["classes"])
    lines = [say("classes: {names}", names=names or say("none yet"))]
    for volume in facts["volumes"]:
        slices = facts["slices"][volume["name"]]
        complete = sum(found["complete"] for found in slices)
        size = " x ".join(map(str, volume["shape"]))
        lines.append(
            say(
                "{name}: {size} voxels, {count} slices annotated, "
                "{complete} complete ({path}, {state})",
                name=volume["name"],
                size=size,
                count=len(slices),
                complete=complete,
                path=volume["path"],
                state=_STATES[volume["state"]],
            )
        )
    for model in facts["models"]:
        score = facts["scores"][model["name"]]
        words = (
            say("no score")
            if score is None
            else say("mean IoU {score:.3f} on held-out slices", score=score)
        )
        lines.append(
            say(
                "{name}: {recipe}, {step} steps, {words}",
                name=model["name"],
                recipe=model["recipe"],
                step=model["step"],
                words=words,
            )
        )
    return lines


def _train(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    settings(arguments)  # complains, if it has to, before anything is read
    with Project(arguments.folder) as project:
        cases = project.cases(arguments.volume)
        check_lines(arguments, cases)
        output = project.next_model()
        model = learn(arguments, cases, rescue=output)
        jobs.save(model, output)
        project.describe_model(output, [volume.name for volume, _ in cases])
    return trained(model, output)


def _open(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    if find_spec("napari") is None:
        raise UserError(
            "napari is not installed: pip install 'sparseseg[napari,pyqt6]'"
        )
    Project(arguments.folder).close()  # complains where it is open, or no project
    show = [sys.executable, "-m", "sparseseg.widgets.show_project"]
    code = subprocess.run([*show, str(arguments.folder)], check=False).returncode
    return Answer({"folder": str(arguments.folder)}, str(arguments.folder), code=code)


_ACTIONS: dict[str, Callable[[Namespace], Answer]] = {
    "new": _new,
    "add": _add,
    "info": _info,
    "train": _train,
    "replay": replay,
    "export": export,
    "report": report,
    "open": _open,
}

PROJECT = Command(
    "project",
    say("keep volumes, annotations and models in one folder"),
    _add_flags,
    _run,
)
