"""The command `models`: which there are, and how they get here."""

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.progress import bar, note
from sparseseg.errors import UserError
from sparseseg.progress import uses_in_words

if TYPE_CHECKING:
    from sparseseg.models.store.download import Fetched
    from sparseseg.models.store.entries import ModelEntry
    from sparseseg.models.store.folder import Stored

_MEGA = 2**20


def _add_flags(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the models")
    listing.add_argument(
        "--organ", default="", help="only models with this organ or class"
    )
    listing.add_argument(
        "--modality", default="", help="only models for this kind of image"
    )
    listing.add_argument(
        "--commercial", default="", choices=("yes", "no", "unclear"), help="use allowed"
    )
    listing.add_argument("--here", action="store_true", help="only models in the store")
    for name, words in (
        ("info", "show what is known about a model"),
        ("download", "download a model into the store"),
        ("verify", "check that a model in the store is complete"),
        ("remove", "remove a model from the store"),
    ):
        action = actions.add_parser(name, help=words)
        action.add_argument("id", metavar="ID")
        if name == "download":
            action.add_argument(
                "--lines",
                action="store_true",
                help="print one JSON object a line during the download",
            )
            action.add_argument(
                "--accept-licence",
                action="store_true",
                help="accept that the model is not for commercial use",
            )
    importing = actions.add_parser(
        "import", help="put a file or folder that you downloaded into the store"
    )
    importing.add_argument("path", type=Path, metavar="PATH")
    importing.add_argument("--id", default="", help="its name in the store")
    exporting = actions.add_parser("export", help="write a model for another program")
    exporting.add_argument("model", metavar="MODEL", help="a file, or an id")
    exporting.add_argument(
        "--format",
        choices=("onnx",),
        default="onnx",
        help="of the file (default: onnx)",
    )
    exporting.add_argument(
        "-o",
        dest="output",
        type=Path,
        required=True,
        metavar="NAME.onnx",
        help="the file",
    )
    exporting.add_argument(
        "--patch",
        default="32x64x64",
        metavar="ZxYxX",
        help="its fixed input, in voxels",
    )
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="for machines")


def _run(arguments: Namespace) -> Answer:
    return _ACTIONS[arguments.action](arguments)


def _list(arguments: Namespace) -> Answer:
    from sparseseg.models.store.entries import chosen, entries
    from sparseseg.models.store.folder import stored

    here = {model.id: model for model in stored()}
    known = entries()
    fitting = chosen(
        known.values(),
        organ=arguments.organ,
        modality=arguments.modality,
        commercial=arguments.commercial,
    )
    rows = [_row(entry, here.get(entry.id)) for entry in fitting]
    own = [_own_row(model) for model in here.values() if model.id not in known]
    word = arguments.organ.lower()
    rows += [row for row in own if word in " ".join(row["classes"].values()).lower()]
    if arguments.here:
        rows = [row for row in rows if row["here"]]
    lines = [_line(row) for row in rows] or ["no model fits"]
    return Answer({"models": rows}, "\n".join(lines))


def _info(arguments: Namespace) -> Answer:
    from sparseseg.models.store.entries import entries
    from sparseseg.models.store.folder import path_of, read_stored

    path = path_of(arguments.id)
    here = read_stored(path) if path.is_file() else None
    known = entries().get(arguments.id)
    if known is None and here is None:
        raise UserError(
            f"there is no model {arguments.id!r}: `sparseseg models list` shows the "
            "models"
        )
    data = _row(known, here) if known else _own_row(here) if here else {}
    more: dict[str, Any] = asdict(known) if known else {}
    if here:
        more["history"] = dict(here.history)
        more["path"] = str(here.path)
    facts = {**more, **data}
    return Answer(facts, "\n".join(_facts(facts)))


def _download(arguments: Namespace) -> Answer:
    from sparseseg.models.install import install
    from sparseseg.models.store.entries import entry
    from sparseseg.models.store.folder import path_of

    wanted = entry(arguments.id)
    if wanted.licence.commercial == "no" and not arguments.accept_licence:
        raise UserError(
            f"{wanted.id} is not for commercial use (weights: {wanted.licence.weights}; "
            f"data: {wanted.licence.data}): add --accept-licence if you accept this"
        )
    if wanted.licence.commercial == "unclear":
        note(
            f"it is not clear if you may use {wanted.id} commercially: weights "
            f"{wanted.licence.weights}, data {wanted.licence.data}"
        )
    path = path_of(wanted.id)
    if path.is_file():
        words = f"{wanted.id} is at {path} already"
        return Answer({"id": wanted.id, "path": str(path)}, words)
    with bar("fetching") as show:
        for fetched in install(wanted):
            share = fetched.done / fetched.total if fetched.total else 0.0
            show(share, f"{fetched.done / _MEGA:.0f} MB")
            if arguments.lines:
                _tell(fetched)
    return Answer({"id": wanted.id, "path": str(path)}, f"{wanted.id} is at {path}")


def _tell(fetched: "Fetched") -> None:
    line = {"done": fetched.done, "total": fetched.total}
    print(json.dumps(line), flush=True)


def _import(arguments: Namespace) -> Answer:
    from sparseseg.models.install import import_file
    from sparseseg.models.store.entries import entries
    from sparseseg.models.store.folder import path_of

    path: Path = arguments.path
    known = entries()
    fitting = [e for e in known.values() if path.name in {f.name for f in e.files}]
    name = arguments.id or (fitting[0].id if fitting else _id_for(path))
    model = import_file(path, name, known.get(name))
    classes = {entry.number: entry.name for entry in model.table.classes}
    text = f"{name}: {', '.join(model.table.names)}, {model.parameters} parameters"
    facts = {"id": name, "path": str(path_of(name)), "classes": classes}
    return Answer(facts, text)


def _verify(arguments: Namespace) -> Answer:
    from sparseseg.models.install import verify

    model = verify(arguments.id)
    data = {"id": arguments.id, "parameters": model.parameters}
    return Answer(data, f"{arguments.id} is whole: {model.parameters} parameters")


def _remove(arguments: Namespace) -> Answer:
    from sparseseg.models.store.folder import remove

    freed = remove(arguments.id)
    text = f"{arguments.id} is removed, {freed / _MEGA:.1f} MB are free"
    return Answer({"id": arguments.id, "bytes": freed}, text)


def _export(arguments: Namespace) -> Answer:
    from sparseseg.models.exporting import export_onnx
    from sparseseg.models.opening import open_model

    sides = arguments.patch.lower().split("x")
    if len(sides) != 3 or not all(side.isdecimal() for side in sides):
        raise UserError(f"a patch is ZxYxX, such as 32x64x64, got {arguments.patch!r}")
    z, y, x = map(int, sides)
    found = export_onnx(open_model(arguments.model), arguments.output, (z, y, x))
    data = {"path": str(arguments.output), **asdict(found)}
    text = (
        f"{arguments.output}: onnxruntime labels {found.differing} of {found.voxels} "
        f"voxels otherwise, and probabilities differ by {found.probability:.1e} at most"
    )
    return Answer(data, text)


_ACTIONS: dict[str, Callable[[Namespace], Answer]] = {
    "list": _list,
    "info": _info,
    "download": _download,
    "import": _import,
    "export": _export,
    "verify": _verify,
    "remove": _remove,
}


def _row(entry: "ModelEntry", here: "Stored | None") -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "modality": entry.modality,
        "classes": here.classes if here else dict(entry.classes),
        "commercial": entry.licence.commercial,
        "status": entry.status,
        "here": here is not None,
        "bytes": here.bytes if here else entry.files[0].bytes,
    }


def _own_row(here: "Stored") -> dict[str, Any]:
    licence = here.history.get("derived_from", {}).get("licence", {})
    return {
        "id": here.id,
        "title": f"your model, {here.description.get('plan', {}).get('recipe', '?')}",
        "modality": "",
        "classes": here.classes,
        "commercial": licence.get("commercial", "yours"),
        "status": "",
        "here": True,
        "bytes": here.bytes,
    }


def _line(row: Mapping[str, Any]) -> str:
    place = "here  " if row["here"] else "online"
    size = f"{row['bytes'] / _MEGA:6.0f} MB" if row["bytes"] else "     ? MB"
    use = f"commercial: {row['commercial']}"
    return f"{place} {row['id']:34} {size}  {use:20} {row['title']}"


def _facts(facts: Mapping[str, Any]) -> list[str]:
    licence = facts.get("licence") or {}
    spacing = facts.get("spacing")
    lines = [
        f"{facts['id']}: {facts['title']}",
        f"classes: {', '.join(f'{n} {name}' for n, name in facts['classes'].items())}",
        f"voxels z, y, x: {spacing} mm" if spacing else "voxels: as its file says",
        f"licence of the weights: {licence.get('weights', 'yours')}",
        f"licence of the data: {licence.get('data', 'yours')}",
        f"commercial use: {facts['commercial']}",
        f"status: {facts['status'] or 'yours'}",
        *(f"cite: {words}" for words in facts.get("citation", ())),
        *(f"from: {file['url']}" for file in facts.get("files", ())),
        *uses_in_words(facts.get("history", {})),
        facts.get("notes", ""),
        f"at: {facts['path']}" if "path" in facts else "not here yet",
    ]
    return [line for line in lines if line]


def _id_for(path: Path) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    if len(words) < 2:
        raise UserError(f"{path.name!r} gives no id: give one with --id NAME")
    return words[:60]


MODELS = Command(
    "models", "find, download and keep pretrained models", _add_flags, _run
)
