"""What `project` writes outside of a project: `replay` and `export`."""

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.command import Answer
from sparseseg.cli.train import training_facts
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.engine.model import Model
    from sparseseg.project.project import Project


def replay(arguments: Namespace) -> Answer:
    """Write each annotation, made again from the journal, and train again on wish."""
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
        words = say(
            "not the annotation that is there now: {differ}", differ=", ".join(differ)
        )
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
            "{folder} has no model to train again: leave --train out, or train "
            "one with `sparseseg project train`",
            folder=project.folder,
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
    model.rules = known[-1].rules
    jobs.train(model, cases, chosen, rescue=path)
    jobs.save(model, path)
    return model, path


def export(arguments: Namespace) -> Answer:
    """Write annotations, models and what is in a project as plain files."""
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


def report(arguments: Namespace) -> Answer:
    """Write the report of a project."""
    from sparseseg.project.project import Project
    from sparseseg.project.report import write_report

    path = arguments.output
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(
            "the report is an HTML file, got {path}: give FILE.html", path=path
        )
    if not path.parent.is_dir():
        raise UserError(
            "there is no folder {parent}: make it, or choose another",
            parent=path.parent,
        )
    with Project(arguments.folder, read_only=True) as project:
        write_report(project, path)
    return Answer({"report": str(path)}, str(path))


def _outputs(project: "Project", folder: Path) -> dict[str, Path]:
    """Return the file of each annotation, in the format of its image."""
    from sparseseg.data.atomic import make_folder
    from sparseseg.data.files import check_output
    from sparseseg.data.formats import result_ending
    from sparseseg.data.overwriting import check_overwrites

    if _is_inside(folder, project.folder):
        raise UserError(
            "{folder} lies in the project {project}, which keeps its own files there: "
            "choose a folder outside",
            folder=folder,
            project=project.folder,
        )
    outputs: dict[str, Path] = {}
    images = [project.locate(volume.name).path for volume in project.volumes]
    for volume, image in zip(project.volumes, images, strict=True):
        outputs[volume.name] = folder / f"{volume.name}{result_ending(image)}"
        check_output(outputs[volume.name])
    check_overwrites([*outputs.values()], images)
    make_folder(folder)
    return outputs


def _is_inside(folder: Path, project: Path) -> bool:
    own = project.resolve()
    return own == folder.resolve() or own in folder.resolve().parents


def _write(project: "Project", name: str, labels: Any, path: Path) -> None:
    from sparseseg.data.files import write_labels

    write_labels(path, labels, like=project.frame(name), table=project.classes)
