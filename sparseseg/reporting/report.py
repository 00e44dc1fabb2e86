"""What a batch found, for people (HTML, one file) and for tables (CSV)."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from sparseseg.data.atomic import replacing
from sparseseg.language import chosen, say
from sparseseg.reporting.entry import VolumeEntry
from sparseseg.reporting.triage import scores_of, worst_first

HTML, CSV = "report.html", "report.csv"
_UNKNOWN = "backslashreplace"  # a name on the disk need not be text
_SCORES = ("dice", "assd", "hd95")
_COLUMNS = (
    *("volume", "state", "class", "name", "voxels", "size", "unit"),
    *("estimated_dice", "low", "high", "planes_differ", "distance", *_SCORES, "note"),
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; color: #222; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.failed td { background: #fdecea; }
.note { color: #666; font-size: .9em; }
img { display: block; max-width: 100%; }
"""


def write_report(folder: Path, entries: Sequence[VolumeEntry], *, title: str) -> Path:
    """Write report.html and report.csv into a folder; return the first.

    The worst come first, see `reporting.triage`.
    """
    ordered = worst_first(entries)
    with replacing(folder / HTML) as beside:
        beside.write_text(_page(ordered, title), encoding="utf-8", errors=_UNKNOWN)
    with replacing(folder / CSV) as beside:
        beside.write_text(_rows(ordered), encoding="utf-8", errors=_UNKNOWN)
    return folder / HTML


def pooled_dice(entries: Iterable[VolumeEntry]) -> dict[str, float]:
    """Return the Dice by class of all voxels of all cases as one volume."""
    sums: dict[str, list[int]] = {}
    for entry in entries:
        for number, counts in scores_of(entry).get("counts", {}).items():
            known = sums.setdefault(number, [0, 0, 0])
            sums[number] = [a + b for a, b in zip(known, counts, strict=True)]
    return {
        number: 2 * both / (predicted + true)
        for number, (both, predicted, true) in sums.items()
        if predicted + true
    }


def _page(entries: Sequence[VolumeEntry], title: str) -> str:
    failed = sum(entry.facts is None for entry in entries)
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    facts = [entry.facts for entry in entries if entry.facts is not None]
    calibrated = all(one.get("is_calibrated", True) for one in facts)
    measured = bool(facts) and all(one.get("estimate") for one in facts)
    count = say(
        "{now}. {done} volumes are done, {failed} failed. The worst come first.",
        now=now,
        done=len(entries) - failed,
        failed=failed,
    )
    heads = "".join(f"<th>{head}" for head in _HEADS)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{count}</p>",
        f"<p class=note>{_basis(measured, calibrated)} {_SIGNS}</p>",
        _global(entries),
        f"<table><thead><tr>{heads}</thead>",
        *(_row(entry) for entry in entries),
        "</table>",
    ]
    body = "\n".join(parts)
    return (
        f"<!DOCTYPE html><html lang={chosen().replace('_', '-')}><meta charset=utf-8>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{body}</body></html>"
    )


def _basis(measured: bool, calibrated: bool) -> str:
    """Say what the estimates are made from."""
    if measured:
        return _MEASURED
    return _CALIBRATED if calibrated else _NOT_CALIBRATED


_MEASURED = say(
    "The estimated Dice and its interval come from slices or volumes that were left out of "
    "the training of this model, and from how sure it is of each volume. It is no "
    "measurement of this volume, and it knows nothing of structures that were never annotated."
)
_CALIBRATED = say(
    "The estimated Dice is what the probabilities of the model predict, calibrated on a "
    "slice that was held out of the training of this model. It is not a measurement, and "
    "it is least reliable for an image that differs from those of the training."
)
_NOT_CALIBRATED = say(
    "The estimated Dice is what the probabilities of the model predict, not calibrated: no "
    "slice was held out for this model, so it may be much too sure of itself. It is not a "
    "measurement, and it is least reliable for an image that differs from those of the "
    "training."
)
_SIGNS = say(
    "Planes differ: how far single views of a slice are from what all views say together, "
    "0 to 1. Distance: how far voxel size, grey values, detail and content are from what "
    "the model learned from; beyond 1 is unusual."
)
_HEADS = (
    *(say("volume"), say("slices z, y, x"), say("class"), say("volume")),
    *(say("estimated Dice"), say("planes differ"), say("distance")),
    *("Dice", "ASSD", "HD95"),
)


def _global(entries: Sequence[VolumeEntry]) -> str:
    names = {
        number: known["name"]
        for entry in entries
        for number, known in (entry.facts or {}).get("classes", {}).items()
    }
    pooled = pooled_dice(entries)
    if not pooled:
        return ""
    words = ", ".join(
        f"{escape(names.get(number, number))} {value:.3f}"
        for number, value in pooled.items()
    )
    pooled_words = say("Dice of all volumes as one (global): {words}.", words=words)
    return f"<p>{pooled_words}</p>"


def _row(entry: VolumeEntry) -> str:
    if entry.facts is None:
        return (
            f"<tr class=failed><td>{escape(entry.name)}<td colspan=9>"
            f"{escape(entry.error)}"
        )
    facts, scores = entry.facts, scores_of(entry)
    classes = facts["classes"]
    first = (
        f"<td rowspan={max(1, len(classes))}>{escape(entry.name)}"
        f"<div class=note>{escape(entry.note)}</div>"
        f"<td rowspan={max(1, len(classes))}><img alt='' src='{facts['thumbnail']}'>"
    )
    lines = []
    for place, (number, known) in enumerate(classes.items()):
        cells = [
            f"<td>{escape(known['name'])}",
            f"<td class=number>{_volume(known['volume'], facts['unit'])}",
            f"<td class=number>{_estimated(known)}",
            *(
                f"<td class=number>{_number(facts.get(sign))}"
                for sign in ("disagreement", "distance")
            ),
            *(
                f"<td class=number>{_number((scores.get(name) or {}).get(number))}"
                for name in ("dice", "assd", "hd95")
            ),
        ]
        lines.append(f"<tr>{first if place == 0 else ''}{''.join(cells)}")
    return "\n".join(lines) or f"<tr>{first}"


def _estimated(known: Mapping[str, Any]) -> str:
    """Return the estimated Dice of a class, with its interval where there is one."""
    dice = _number(known["estimated_dice"])
    if known.get("low") is None:
        return dice
    return f"{dice} ({known['low']:.2f}\N{EN DASH}{known['high']:.2f})"


def _rows(entries: Sequence[VolumeEntry]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerows(_rows_of(entry))
    return buffer.getvalue()


def _rows_of(entry: VolumeEntry) -> Iterator[dict[str, object]]:
    """Yield a row for each class, or the one of a volume without a result."""
    volume: dict[str, object] = {"volume": _plain(entry.name), "state": entry.state}
    if entry.facts is None:
        yield volume | {"note": _plain(entry.error)}
        return
    scores = scores_of(entry)
    for number, known in entry.facts["classes"].items():
        yield volume | {
            "class": number,
            "name": _plain(known["name"]),
            "voxels": known["voxels"],
            "size": f"{known['volume']:.6g}",
            "unit": f"{entry.facts['unit']}^3",
            "estimated_dice": _cell(known["estimated_dice"]),
            "low": _cell(known.get("low")),
            "high": _cell(known.get("high")),
            "planes_differ": _cell(entry.facts.get("disagreement")),
            "distance": _cell(entry.facts.get("distance")),
            **{name: (scores.get(name) or {}).get(number, "") for name in _SCORES},
            "note": _plain(entry.note),
        }


def _plain(words: str) -> str:
    """Return words that no spreadsheet takes for a formula."""
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words


def _cell(value: float | None) -> str | float:
    return "" if value is None else value


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _volume(size: float, unit: str) -> str:
    if unit == "mm":
        return f"{size / 1000:.2f} ml"
    word = {"pixel": say("voxels"), "um": "µm³"}.get(unit, f"{unit}³")
    return f"{size:.4g} {word}"
