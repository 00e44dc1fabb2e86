"""The command `project`: volumes, annotations, journal and models in one folder."""

import dataclasses
import json
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
from sparseseg.cli.train import add_learning_flags, learn, trained, training_facts
from sparseseg.errors import UserError

if TYPE_CHECKING:
    from sparseseg.engine.model import Model
    from sparseseg.project.project import Project


def _add_flags(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    added: dict[str, ArgumentParser] = {}
    for name, words in _HELP.items():
        added[name] = actions.add_parser(name, help=words, description=f"{words}.")
        added[name].add_argument("folder", type=Path, metavar="FOLDER")
        added[name].add_argument("--json", action="store_true", help="for machines")
    _add_image_flags(added["add"])
    add_learning_flags(added["train"])
    added["train"].add_argument(
        "--volume",
        action="append",
        default=[],
        metavar="NAME",
        help="train on this volume; may be repeated (default: all annotated volumes)",
    )
    for name in ("replay", "export"):
        added[name].add_argument(
            "-o", dest="output", type=Path, required=True, metavar="OUT"
        )
    added["replay"].add_argument(
        "--train",
        action="store_true",
        help="train the newest model again too, with its settings",
    )


_HELP = {
    "new": "make an empty project in a new folder",
    "add": "add a volume to a project",
    "info": "show what is in a project",
    "train": "learn a model from the annotated volumes of a project",
    "replay": "make the annotations again from the journal",
    "export": "write annotations, classes and models as plain files",
    "open": "open a project in napari",
}


def _add_image_flags(parser: ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help="the file of a volume")
    parser.add_argument("--annotation", metavar="FILE", help="its annotation so far")
    parser.add_argument(
        "--copy", action="store_true", help="copy the image into the project"
    )
    add_numbering(parser)


def _run(arguments: Namespace) -> Answer:
    return _ACTIONS[arguments.action](arguments)


def _new(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    Project.new(arguments.folder).close()
    return Answer({"folder": str(arguments.folder)}, str(arguments.folder))


def _add(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    with Project(arguments.folder) as project:
        added = project.add(
            arguments.image,
            annotation=arguments.annotation,
            copy=arguments.copy,
            unlabelled=arguments.unlabelled,
            background=arguments.background,
        )
        lines = project.labels(added.name).ledger().lines(project.classes)
    facts = {"folder": str(arguments.folder), "volume": added.name, "path": added.path}
    return Answer(facts, "\n".join([f"{added.name}: {added.path}", *lines]))


def _info(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    with Project(arguments.folder, read_only=True) as project:
        facts = project.info()
    return Answer(facts, "\n".join(_lines(facts)))


def _lines(facts: dict[str, Any]) -> list[str]:
    names = ", ".join(f"{c['number']} {c['name']}" for c in facts["classes"])
    lines = [f"classes: {names or 'none yet'}"]
    for volume in facts["volumes"]:
        slices = facts["slices"][volume["name"]]
        complete = sum(found["complete"] for found in slices)
        size = " x ".join(map(str, volume["shape"]))
        lines.append(
            f"{volume['name']}: {size} voxels, {len(slices)} slices annotated, "
            f"{complete} complete ({volume['path']}, {volume['state']})"
        )
    for model in facts["models"]:
        score = facts["scores"][model["name"]]
        words = (
            "no score" if score is None else f"mean IoU {score:.3f} on held-out slices"
        )
        lines.append(
            f"{model['name']}: {model['recipe']}, {model['step']} steps, {words}"
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


def _replay(arguments: Namespace) -> Answer:
    from sparseseg.project.project import Project

    with Project(arguments.folder, read_only=True) as project:
        outputs = _outputs(project, arguments.output)
        same = {}
        for name, path in outputs.items():
            again = project.replay(name)
            same[name] = bool((again == project.annotation(name)).all())
            _write(project, name, again, path)
        differ = [name for name, is_same in same.items() if not is_same]
        facts: dict[str, Any] = {
            "annotations": {name: str(path) for name, path in outputs.items()},
            "same": same,
        }
        text = "\n".join(map(str, outputs.values()))
        if arguments.train:
            model, path = _train_again(project, arguments.output)
            facts |= {"model": str(path), **training_facts(model)}
            text = f"{text}\n{path}"
    if differ:
        words = f"not the annotation that is there now: {', '.join(differ)}"
        return Answer(facts, f"{text}\n{words}", code=2)
    return Answer(facts, text)


def _train_again(project: "Project", folder: Path) -> "tuple[Model, Path]":
    """Train on the replayed annotations with the settings of the newest model."""
    from sparseseg.data.labels import SparseLabels
    from sparseseg.settings.training import TrainSettings
    from sparseseg.starting import create

    known = project.models
    if not known or "settings" not in known[-1].history:
        raise UserError(
            f"{project.folder} has no model to train again: leave --train out, or train "
            "one with `sparseseg project train`"
        )
    given = known[-1].history["settings"]
    fields = {field.name for field in dataclasses.fields(TrainSettings)}
    chosen = TrainSettings(**{k: v for k, v in given.items() if k in fields})
    # Minutes would be another number of steps on another day.
    steps = max(1, int(known[-1].history["step"]))
    chosen = dataclasses.replace(chosen, minutes=None, steps=steps)
    names = known[-1].volumes or [volume.name for volume in project.volumes]
    cases = [
        (project.volume(n), SparseLabels(project.replay(n), table=project.classes))
        for n in names
    ]
    path = folder / known[-1].path.name
    model = create(cases, chosen)
    jobs.train(model, cases, chosen, rescue=path)
    jobs.save(model, path)
    return model, path


def _export(arguments: Namespace) -> Answer:
    import shutil

    from sparseseg.data.atomic import make_folder, replacing
    from sparseseg.project.project import Project

    with Project(arguments.folder, read_only=True) as project:
        outputs = _outputs(project, arguments.output / "annotations")
        for name, path in outputs.items():
            _write(project, name, project.annotation(name), path)
        make_folder(arguments.output / "models")
        for model in project.models:
            with replacing(arguments.output / "models" / model.path.name) as beside:
                shutil.copyfile(model.path, beside)
        with replacing(arguments.output / "info.json") as beside:
            beside.write_text(json.dumps(project.info(), indent=1), encoding="utf-8")
        facts = {
            "folder": str(arguments.output),
            "annotations": {name: str(path) for name, path in outputs.items()},
            "models": [model.name for model in project.models],
        }
    return Answer(facts, str(arguments.output))


def _outputs(project: "Project", folder: Path) -> dict[str, Path]:
    """Return the file of each annotation, in the format of its image."""
    from sparseseg.data.atomic import make_folder
    from sparseseg.data.files import check_output
    from sparseseg.data.overwriting import check_overwrites
    from sparseseg.project.images import ending_of

    outputs: dict[str, Path] = {}
    for volume in project.volumes:
        outputs[volume.name] = folder / f"{volume.name}{ending_of(Path(volume.path))}"
        check_output(outputs[volume.name])
    images = [project.locate(volume.name).path for volume in project.volumes]
    check_overwrites([*outputs.values()], images)
    make_folder(folder)
    return outputs


def _write(project: "Project", name: str, labels: Any, path: Path) -> None:
    from sparseseg.data.files import write_labels

    write_labels(path, labels, like=project.volume(name), table=project.classes)


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
    "replay": _replay,
    "export": _export,
    "open": _open,
}

PROJECT = Command(
    "project", "keep volumes, annotations and models in one folder", _add_flags, _run
)
