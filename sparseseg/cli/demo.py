"""The command `demo`: the main job on the sample that is shipped."""

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli import jobs
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.progress import note
from sparseseg.cli.scores import as_table
from sparseseg.cli.train import training_facts
from sparseseg.data.atomic import make_folder
from sparseseg.language import say
from sparseseg.settings.training import TrainSettings

if TYPE_CHECKING:
    from sparseseg.data.samples import Sample
    from sparseseg.engine.model import Model

# With this all is done within three minutes on two cores.
_MINUTES = 1.5


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        default=Path("demo-result"),
        metavar="FOLDER",
        help=say("where the results go (default: demo-result)"),
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=_MINUTES,
        metavar="M",
        help=say("training time in minutes (default: {minutes})", minutes=_MINUTES),
    )
    parser.add_argument(
        "--no-window", action="store_true", help=say("do not open the result in napari")
    )


def _run(arguments: Namespace) -> Answer:
    from sparseseg.data import samples

    settings = TrainSettings(minutes=arguments.minutes)
    folder = arguments.output
    make_folder(folder)
    sample = samples.ovule_nuclei()
    model, scores = _work(sample, settings, folder)
    if not arguments.no_window and _is_watched():
        note(say("the result opens in napari; close its window to end the demo"))
        show = [sys.executable, "-m", "sparseseg.widgets.show", str(folder)]
        subprocess.run(show, check=False)
    names = ("prediction.tif", "model.safetensors", "overlay.png")
    files = {Path(name).stem: str(folder / name) for name in names}
    called = {entry.number: entry.name for entry in sample.table.classes}
    text = f"{as_table(scores, called)}\n" + "\n".join(files.values())
    return Answer(files | training_facts(model) | scores, text)


def _work(
    sample: "Sample", settings: TrainSettings, folder: Path
) -> "tuple[Model, dict[str, Any]]":
    """Train, predict, score, and write all of it into the folder."""
    from sparseseg.data.files import write_labels
    from sparseseg.data.labels import SparseLabels
    from sparseseg.engine.segment import Job
    from sparseseg.evaluation import evaluate
    from sparseseg.reporting.overlay import write_overlay
    from sparseseg.starting import create

    volume, annotation = sample.volume, sample.annotation
    labels = SparseLabels(annotation, table=sample.table)
    model = create([(volume, labels)], settings)
    kept = folder / "model.safetensors"
    jobs.train(model, [(volume, labels)], settings, rescue=kept)
    model.save(kept)
    segmented = jobs.segment(model, volume, Job(), labels=labels)
    jobs.say_what_would_help(model)
    found = segmented.labels
    write_labels(folder / "prediction.tif", found, like=volume, table=model.table)
    picture = folder / "overlay.png"
    write_overlay(picture, volume, found, sample.table, annotation=annotation)
    scores = evaluate(found, sample.truth, annotation=annotation)
    return model, {"method": segmented.method, **scores}


def _is_watched() -> bool:
    """Return whether a person sits at a terminal and would see a window."""
    if sys.stdin is None or not sys.stdin.isatty() or find_spec("napari") is None:
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    # The display that xvfb-run makes is seen by nobody.
    is_virtual = "xvfb-run" in os.environ.get("XAUTHORITY", "")
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_display and not is_virtual


DEMO = Command("demo", say("segment the shipped sample, end to end"), _add_flags, _run)
