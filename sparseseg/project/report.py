"""The report of a project: one HTML file with all that a methods section needs."""

import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparseseg
from sparseseg.classes import BACKGROUND, UNLABELLED
from sparseseg.data.atomic import replacing
from sparseseg.errors import UserError
from sparseseg.language import chosen, say, say_count
from sparseseg.project.models import ProjectModel
from sparseseg.project.tool_names import TOOL_NAMES
from sparseseg.project.work import PAUSE, Work, work_in
from sparseseg.reporting.thumbnails import thumbnail

if TYPE_CHECKING:
    from sparseseg.project.project import Project

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; color: #222; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; word-break: break-all; }
.note { color: #666; font-size: .9em; }
.copy { background: #f4f4f6; padding: .8rem 1rem; border-radius: 6px; }
"""
_BAR_HEIGHT, _BAR_WIDTH = 80, 640


def write_report(project: "Project", path: Path) -> None:
    """Write the report into a file; an image that cannot be read is named in it."""
    work = work_in(project.journal.changes())
    parts = [
        f"<h1>{escape(project.folder.absolute().name)}</h1>",
        f"<p class=note>{_made()}</p>",
        f"<h2>{say('Methods')}</h2>",
        f"<p class=copy>{escape(methods(project, work))}</p>",
        f"<h2>{say('Volumes')}</h2>",
        _volumes(project),
        f"<h2>{say('Annotation')}</h2>",
        _annotation(project, work),
        f"<h2>{say('Models')}</h2>",
        _models(project.models),
        *_pictures(project),
    ]
    page = (
        f"<!doctype html><html lang={chosen().replace('_', '-')}><meta charset=utf-8><title>{say('Report')}</title>"
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")


def methods(project: "Project", work: Work) -> str:
    """Return what a methods section says of the annotation and of the newest model."""
    ledgers = [project.labels(volume.name).ledger() for volume in project.volumes]
    slices = sum(len(ledger.slices) for ledger in ledgers)
    complete = sum(found.complete for ledger in ledgers for found in ledger.slices)
    annotated = sum(bool(ledger.counts) for ledger in ledgers)
    sentences = [
        say(
            "We annotated {annotated} of {volumes} with sparseseg {version} on {slices}, "
            "of which {complete} are complete.",
            annotated=annotated,
            volumes=say_count(
                "{count:,} volume", "{count:,} volumes", len(project.volumes)
            ),
            version=sparseseg.__version__,
            slices=say_count("{count:,} slice", "{count:,} slices", slices),
            complete=complete,
        ),
        say(
            "The classes are: {names}.",
            names=", ".join(project.classes.names) or say("no class"),
        ),
        say(
            "Annotation took {minutes:.0f} minutes and {strokes}.",
            minutes=work.seconds / 60,
            strokes=say_count("{count:,} stroke", "{count:,} strokes", work.strokes),
        ),
    ]
    if project.models:
        sentences += _trained(project.models[-1])
    return " ".join(sentences)


def _trained(model: ProjectModel) -> Iterator[str]:
    settings = model.history.get("settings") or {}
    seed = settings.get("seed")
    facts = {
        "name": model.name,
        "recipe": model.recipe,
        "steps": model.history.get("step"),
        "volumes": ", ".join(model.volumes) or say("the volumes"),
    }
    if seed is None:
        yield say(
            "The model {name} follows the recipe {recipe} and was trained for {steps} "
            "steps on {volumes}.",
            **facts,
        )
    else:
        yield say(
            "The model {name} follows the recipe {recipe} and was trained for {steps} "
            "steps on {volumes} with seed {seed}.",
            **facts,
            seed=seed,
        )
    if model.score is None:
        yield say("It has no score.")
    else:
        yield say(
            "Its mean IoU on slices that were held out is {score:.3f}.",
            score=model.score,
        )


def _made() -> str:
    when = time.strftime("%Y-%m-%d %H:%M %z")
    return say(
        "Made on {when} by sparseseg {version}, Python {python}, {system}",
        when=when,
        version=sparseseg.__version__,
        python=platform.python_version(),
        system=escape(platform.platform()),
    )


def _volumes(project: "Project") -> str:
    rows = []
    for volume in project.volumes:
        ledger = project.labels(volume.name).ledger()
        complete = sum(found.complete for found in ledger.slices)
        rows.append(
            (
                volume.name,
                " x ".join(map(str, volume.shape)),
                f"{' x '.join(f'{edge:g}' for edge in volume.spacing)} {volume.unit}",
                len(ledger.slices),
                complete,
                len(volume.locked),
                f"{ledger.share:.2%}",
                volume.content.digest,
            )
        )
    heads = (
        *(say("Volume"), say("Voxels (z, y, x)"), say("Voxel size"), say("Slices")),
        *(say("Complete"), say("Locked"), say("Labelled"), say("SHA-256 of the image")),
    )
    return _table(heads, rows)


def _annotation(project: "Project", work: Work) -> str:
    names = {c.number: c.name for c in project.classes.classes}
    names |= {UNLABELLED: say("erased"), BACKGROUND: say("background")}
    minutes = [
        (names.get(number, str(number)), f"{seconds / 60:.1f}")
        for number, seconds in sorted(work.by_class.items())
    ]
    by_volume = [(name, f"{s / 60:.1f}") for name, s in sorted(work.by_volume.items())]
    tools = [
        (TOOL_NAMES.get(tool, tool), f"{voxels:,}")
        for tool, voxels in work.by_tool.most_common()
    ]
    spent = say(
        "{minutes:.1f} minutes of work, {strokes:,} strokes, {entries:,} entries in the "
        "journal.",
        minutes=work.seconds / 60,
        strokes=work.strokes,
        entries=work.entries,
    )
    counted = say(
        "The time between two changes counts for the later one. A gap of more than "
        "{pause:.0f} s counts as a pause. A change counts for the class that it painted "
        "most.",
        pause=PAUSE,
    )
    return "".join(
        [
            f"<p>{spent}</p>",
            _bars(work.by_hour),
            _table((say("Painted"), say("Minutes")), minutes),
            _table((say("Volume"), say("Minutes")), by_volume),
            _table((say("Tool"), say("Changed voxels")), tools),
            f"<p class=note>{counted}</p>",
        ]
    )


def _bars(by_hour: Mapping[int, int]) -> str:
    """Draw the entries of each hour with work, one bar an hour."""
    if not by_hour:
        return ""
    most, hours = max(by_hour.values()), sorted(by_hour)
    wide = min(24.0, _BAR_WIDTH / len(hours))
    bars = []
    for place, hour in enumerate(hours):
        high = _BAR_HEIGHT * by_hour[hour] / most
        when = time.strftime("%Y-%m-%d %H:00", time.localtime(3600 * hour))
        bars.append(
            f'<rect x="{place * wide:.1f}" y="{_BAR_HEIGHT - high:.1f}" '
            f'width="{max(1.0, wide - 1):.1f}" height="{high:.1f}" fill="#3451b2">'
            f"<title>{say('{when}: {count} entries', when=when, count=by_hour[hour])}"
            "</title></rect>"
        )
    words = say(
        "Entries in each hour in which something was changed; hours without a change are "
        "left out."
    )
    return (
        f'<svg width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" role="img">{"".join(bars)}</svg>'
        f"<p class=note>{words}</p>"
    )


def _models(models: Sequence[ProjectModel]) -> str:
    rows = []
    for model in models:
        settings = model.history.get("settings") or {}
        words = ", ".join(f"{k} {v}" for k, v in settings.items() if v is not None)
        score = say("none") if model.score is None else f"{model.score:.3f}"
        learned = ", ".join(model.volumes)
        step, rules = model.history.get("step"), "; ".join(model.rules)
        rows.append((model.name, model.recipe, step, score, learned, rules, words))
    heads = (
        *(
            say("Model"),
            say("Recipe"),
            say("Steps"),
            say("Mean IoU on held-out slices"),
        ),
        *(say("Learned from"), say("Clean-up rules"), say("Settings")),
    )
    if not rows:
        return f"<p>{say('No model was trained yet.')}</p>"
    return _table(heads, rows)


def _pictures(project: "Project") -> Iterable[str]:
    words = say("Slices across z, y and x where most is labelled.")
    yield f"<h2>{say('Pictures')}</h2><p class=note>{words}</p>"
    for volume in project.volumes:
        try:
            image = project.volume(volume.name)
        except UserError as error:
            yield f"<p>{escape(str(error))}</p>"
            continue
        labels = project.annotation(volume.name)
        address = thumbnail(image, labels, project.classes)
        yield f'<p>{escape(volume.name)}<br><img alt="" src="{address}"></p>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
