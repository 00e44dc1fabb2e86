"""The command `batch`: one model over a folder of volumes."""

import dataclasses
import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sparseseg.batch.settings import BatchSettings, read_settings
from sparseseg.cli.command import Answer, Command
from sparseseg.cli.flags import Spelled, add_given, pair
from sparseseg.cli.progress import bar, note
from sparseseg.errors import UserError
from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.batch.items import Item
    from sparseseg.batch.volume import Report
    from sparseseg.engine.model import Model
    from sparseseg.reporting.entry import VolumeEntry


_SPELLED = {
    "model": Spelled("model", metavar="MODEL"),
    "folder": Spelled("folder", metavar="IN_FOLDER"),
    "output": Spelled("-o", metavar="OUT_FOLDER"),
    "pattern": Spelled("--pattern", metavar="PATTERN"),
    "ending": Spelled("--ending", metavar="ENDING"),
    "memory": Spelled("--memory", metavar="SIZE"),
    "truth": Spelled("--truth", metavar="FOLDER"),
    "options": Spelled("--option"),
    "device": Spelled("--device", metavar="DEVICE"),
    "scheduler": Spelled("--scheduler", metavar="ADDRESS"),
    "clean": Spelled("--clean", metavar="RULE"),
}


def _add_flags(parser: ArgumentParser) -> None:
    add_given(parser, BatchSettings, spelled=_SPELLED)
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help=say("settings of an earlier batch; flags replace the values in it"),
    )
    parser.add_argument(
        "--lines",
        action="store_true",
        help=say(
            "print one JSON object a line while the batch runs, for other programs"
        ),
    )


def _run(arguments: Namespace) -> Answer:
    settings = _settings(arguments)
    from sparseseg.batch.items import find_items
    from sparseseg.batch.run import needed
    from sparseseg.models.opening import open_model
    from sparseseg.nn.device import choose_device

    items = find_items(settings)
    model = open_model(settings.model)
    if not settings.scheduler:  # else the workers have the devices
        model.network.to(choose_device(settings.device))
    note(needed(items, settings))
    _keep(settings)
    entries: dict[str, VolumeEntry] = {}
    try:
        _go_through(model, items, settings, entries, lines=arguments.lines)
    except BaseException as error:
        with suppress(UserError):  # what ended the batch matters more
            _reported(settings, entries)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_stopped(len(entries), len(items))) from None
        raise
    page = _reported(settings, entries)
    return _answer(entries, page)


def _stopped(count: int, count_items: int) -> str:
    return say(
        "{count} of {count_items} volumes are done; run it again to continue",
        count=count,
        count_items=count_items,
    )


def _keep(settings: BatchSettings) -> None:
    """Write the settings, before the batch may be killed."""
    from sparseseg.batch.items import SETTINGS, STATE_FOLDER
    from sparseseg.data.atomic import replacing

    plain = json.dumps(settings.absolute().to_json(), indent=1, ensure_ascii=False)
    with replacing(Path(settings.output) / STATE_FOLDER / SETTINGS) as beside:
        beside.write_text(plain, encoding="utf-8", errors="backslashreplace")


def _go_through(
    model: "Model",
    items: "list[Item]",
    settings: BatchSettings,
    entries: "dict[str, VolumeEntry]",
    *,
    lines: bool,
) -> None:
    """Run the batch, tell what happens, and collect what became of each volume."""
    from sparseseg.batch.run import run

    with bar(say("batch")) as show:
        for report in run(model, items, settings):
            show((len(entries) + report.done) / len(items), report.item.name)
            _tell(report, len(items), lines=lines)
            if report.entry is not None:
                entries[report.item.name] = report.entry


def _reported(settings: BatchSettings, entries: "dict[str, VolumeEntry]") -> Path:
    """Write the report of what is known so far."""
    from sparseseg.reporting.report import HTML, write_report

    output = Path(settings.output)
    if not entries:
        return output / HTML
    title = f"{Path(settings.model).name} on {Path(settings.folder).name}"
    return write_report(output, list(entries.values()), title=title)


def _answer(entries: "dict[str, VolumeEntry]", page: Path) -> Answer:
    from sparseseg.reporting.report import pooled_dice

    states = Counter(entry.state for entry in entries.values())
    counts = {state: states[state] for state in ("done", "skipped", "failed")}
    scores = {"global_dice": pooled_dice(entries.values())}
    words = say("{done} done, {skipped} skipped, {failed} failed", **counts)
    code = 2 if counts["failed"] else 0
    data = {**counts, "report": str(page), **scores}
    return Answer(data, f"{words}; {page}", code)


def _settings(arguments: Namespace) -> BatchSettings:
    names = [field.name for field in dataclasses.fields(BatchSettings)]
    known = read_settings(arguments.settings) if arguments.settings else {}
    given = {
        name: value
        for name, value in vars(arguments).items()
        if name in names and value is not None
    }
    if "clean" in given:
        given["clean"] = tuple(given["clean"])
    if "options" in given:
        given["options"] = dict(map(pair, given["options"]))
    chosen = {**known, **given}
    missing = [n for n in ("model", "folder", "output") if not chosen.get(n)]
    if missing:
        raise UserError(
            "a batch needs {missing}: sparseseg batch MODEL IN_FOLDER "
            "-o OUT_FOLDER, or --settings FILE",
            missing=", ".join(missing),
        )
    return BatchSettings.from_json(chosen, say("the command line"))


def _tell(report: "Report", count: int, *, lines: bool) -> None:
    if report.note and not lines:
        is_named = report.note.startswith(report.item.name)
        note(report.note if is_named else f"{report.item.name}: {report.note}")
    if report.state == "failed" and report.entry and not lines:
        note(f"{report.item.name}: {report.entry.error}")
    if not lines:
        return
    line = {
        "name": report.item.name,
        "count": count,
        "state": report.state,
        "done": round(report.done, 4),
        "seconds": round(report.seconds, 1),
        "seconds_left": report.seconds_left,
        "note": report.note,
        "error": report.entry.error if report.entry else "",
        "prediction": str(report.item.prediction),
        "image": str(report.item.source),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


BATCH = Command("batch", say("apply a model to a folder of volumes"), _add_flags, _run)
"""Interrupted at any time, the same command goes on where it was."""
