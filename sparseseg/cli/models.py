"""The command `models`: which there are, and how they get here."""

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseseg.cli.command import Answer, Command
from sparseseg.cli.model_exports import add_exporting, export
from sparseseg.cli.progress import bar, note
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.progress import uses_in_words

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from sparseseg.models.store.download import Fetched
    from sparseseg.models.store.entries import ModelEntry
    from sparseseg.models.store.folder import Stored

    _Actions = _SubParsersAction[ArgumentParser]

_MEGA = 2**20


def _add_flags(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_listing(actions)
    _add_actions_of_one(actions)
    importing = actions.add_parser(
        "import", help=say("put a file or folder that you downloaded into the store")
    )
    importing.add_argument("path", type=Path, metavar="PATH")
    importing.add_argument("--id", default="", help=say("its name in the store"))
    add_exporting(actions)
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help=say("for machines"))


def _add_listing(actions: "_Actions") -> None:
    listing = actions.add_parser("list", help=say("list the models"))
    listing.add_argument(
        "--organ", default="", help=say("only models with this organ or class")
    )
    listing.add_argument(
        "--modality", default="", help=say("only models for this kind of image")
    )
    listing.add_argument(
        "--commercial",
        default="",
        choices=("yes", "no", "unclear"),
        help=say("use allowed"),
    )
    listing.add_argument(
        "--here", action="store_true", help=say("only models in the store")
    )


def _add_actions_of_one(actions: "_Actions") -> None:
    for name, words in (
        ("info", say("show what is known about a model")),
        ("download", say("download a model into the store")),
        ("verify", say("check that a model in the store is complete")),
        ("remove", say("remove a model from the store")),
    ):
        action = actions.add_parser(name, help=words)
        action.add_argument("id", metavar="ID")
        if name == "download":
            action.add_argument(
                "--lines",
                action="store_true",
                help=say("print one JSON object a line during the download"),
            )
            action.add_argument(
                "--accept-licence",
                action="store_true",
                help=say("accept that the model is not for commercial use"),
            )


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
    lines = [_line(row) for row in rows] or [say("no model fits")]
    return Answer({"models": rows}, "\n".join(lines))


def _info(arguments: Namespace) -> Answer:
    from sparseseg.models.store.entries import entries
    from sparseseg.models.store.folder import path_of, read_stored

    path = path_of(arguments.id)
    here = read_stored(path) if path.is_file() else None
    known = entries().get(arguments.id)
    if known is None and here is None:
        raise UserError(
            "there is no model {id!r}: `sparseseg models list` shows the models",
            id=arguments.id,
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
            "{id} is not for commercial use (weights: {weights}; "
            "data: {data}): add --accept-licence if you accept this",
            id=wanted.id,
            weights=wanted.licence.weights,
            data=wanted.licence.data,
        )
    if wanted.licence.commercial == "unclear":
        note(
            say(
                "it is not clear if you may use {id} commercially: weights "
                "{weights}, data {data}",
                id=wanted.id,
                weights=wanted.licence.weights,
                data=wanted.licence.data,
            )
        )
    path = path_of(wanted.id)
    if path.is_file():
        words = say("{id} is at {path} already", id=wanted.id, path=path)
        return Answer({"id": wanted.id, "path": str(path)}, words)
    with bar(say("fetching")) as show:
        for fetched in install(wanted):
            share = fetched.done / fetched.total if fetched.total else 0.0
            show(share, f"{fetched.done / _MEGA:.0f} MB")
            if arguments.lines:
                _tell(fetched)
    words = say("{id} is at {path}", id=wanted.id, path=path)
    facts = {"id": wanted.id, "path": str(path), "notes": wanted.notes}
    return Answer(facts, "\n".join(filter(None, (words, wanted.notes))))


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
    name = arguments.id or _untaken(fitting[0].id if fitting else _id_for(path))
    model = import_file(path, name, known.get(name))
    classes = {entry.number: entry.name for entry in model.table.classes}
    text = say(
        "{name}: {names}, {parameters} parameters",
        name=name,
        names=", ".join(model.table.names),
        parameters=model.parameters,
    )
    facts = {"id": name, "path": str(path_of(name)), "classes": classes}
    return Answer(facts, text)


def _verify(arguments: Namespace) -> Answer:
    from sparseseg.models.install import verify

    model = verify(arguments.id)
    data = {"id": arguments.id, "parameters": model.parameters}
    return Answer(
        data,
        say(
            "{id} is whole: {parameters} parameters",
            id=arguments.id,
            parameters=model.parameters,
        ),
    )


def _remove(arguments: Namespace) -> Answer:
    from sparseseg.models.store.folder import remove

    freed = remove(arguments.id)
    text = say(
        "{id} is removed, {freed:.1f} MB are free", id=arguments.id, freed=freed / _MEGA
    )
    return Answer({"id": arguments.id, "bytes": freed}, text)


_ACTIONS: dict[str, Callable[[Namespace], Answer]] = {
    "list": _list,
    "info": _info,
    "download": _download,
    "import": _import,
    "export": export,
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
    told = {"licence": {"data": say("not stated"), **licence}} if licence else {}
    return {
        **told,
        "id": here.id,
        "title": say(
            "your model, {recipe}",
            recipe=here.description.get("plan", {}).get("recipe", "?"),
        ),
        "modality": "",
        "classes": here.classes,
        "commercial": licence.get("commercial", "yours"),
        "status": "",
        "here": True,
        "bytes": here.bytes,
    }


def _line(row: Mapping[str, Any]) -> str:
    place = say("here") if row["here"] else say("online")
    size = f"{row['bytes'] / _MEGA:6.0f} MB" if row["bytes"] else "     ? MB"
    use = say("commercial: {commercial}", commercial=_allowed(row["commercial"]))
    return f"{place:6} {row['id']:34} {size}  {use:20} {row['title']}"


def _allowed(commercial: str) -> str:
    words = {
        "yes": say("yes"),
        "no": say("no"),
        "unclear": say("unclear"),
        "yours": say("yours"),
    }
    return words.get(commercial, commercial)


def _facts(facts: Mapping[str, Any]) -> list[str]:
    licence = facts.get("licence") or {}
    spacing = facts.get("spacing")
    yours = say("yours")
    lines = [
        f"{facts['id']}: {facts['title']}",
        say(
            "classes: {items}",
            items=", ".join(f"{n} {name}" for n, name in facts["classes"].items()),
        ),
        say("voxels z, y, x: {spacing} mm", spacing=spacing)
        if spacing
        else say("voxels: as its file says"),
        say("licence of the weights: {weights}", weights=licence.get("weights", yours)),
        say("licence of the data: {data}", data=licence.get("data", yours)),
        say("commercial use: {commercial}", commercial=_allowed(facts["commercial"])),
        say("status: {status}", status=facts["status"] or yours),
        *(say("cite: {words}", words=words) for words in facts.get("citation", ())),
        *(say("from: {url}", url=file["url"]) for file in facts.get("files", ())),
        *uses_in_words(facts.get("history", {})),
        facts.get("notes", ""),
        say("at: {path}", path=facts["path"])
        if "path" in facts
        else say("not here yet"),
    ]
    return [line for line in lines if line]


def _untaken(name: str) -> str:
    """Return an id; raise `UserError` where a model in the store has it."""
    from sparseseg.models.store.folder import path_of

    if path_of(name).is_file():
        raise UserError(
            "the model {name!r} is in the store already: remove it first, rename what you "
            "import, or give another id with --id",
            name=name,
        )
    return name


def _id_for(path: Path) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    if len(words) < 2:
        raise UserError("{name!r} gives no id: give one with --id NAME", name=path.name)
    return words[:60]


MODELS = Command(
    "models", say("find, download and keep pretrained models"), _add_flags, _run
)
