"""The list of models: one file in the package, and a user's own laid over it."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

import jsonschema
import yaml

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.store.folder import store_folder

Commercial = Literal["yes", "no", "unclear"]
Status = Literal["format-verified", "weights-verified", "unverified"]
USER_FILE = "models.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a model, somewhere on the net; None where nobody could tell."""

    url: str
    bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None
    members: tuple[str, ...] = ()
    """Ends of the paths to take out of an archive; all if there are none."""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.split("?", 1)[0].rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """What may be done with a model."""

    weights: str = "not stated"
    data: str = "not stated"
    commercial: Commercial = "unclear"
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """What is known of a model before it is here."""

    id: str
    title: str
    organ: tuple[str, ...]
    modality: str
    classes: Mapping[int, str]
    spacing: tuple[float, float, float] | None
    """Voxel size z, y, x in mm; None where only the file says."""
    range: tuple[float, float] | None = None
    """Grey values that are expected, least and most."""
    orientation: str = "stored"
    configuration: str = ""
    folds: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    format: str = ""
    licence: Licence = Licence()
    citation: tuple[str, ...] = ()
    status: Status = "unverified"
    notes: str = ""


def entries() -> dict[str, ModelEntry]:
    """Return all known models by id; entries of the user's file replace ours.

    Raises `UserError`, with the place and the fault, for a file that is not right.
    """
    found = {entry.id: entry for entry in _shipped()}
    own = store_folder() / USER_FILE
    if own.is_file():
        found |= {entry.id: entry for entry in _read(own.read_text("utf-8"), str(own))}
    return found


def entry(name: str) -> ModelEntry:
    """Return one entry; raise `UserError` for one that is not there."""
    every = entries()
    if name not in every:
        raise UserError(
            "there is no model {name!r}: `sparseseg models list` shows the models",
            name=name,
        )
    return every[name]


def chosen(
    every: Iterable[ModelEntry],
    *,
    organ: str = "",
    modality: str = "",
    commercial: str = "",
) -> list[ModelEntry]:
    """Return the entries that fit; `organ` is also looked for among the classes."""
    word = organ.lower()
    return [
        e
        for e in every
        if (not word or any(word in w.lower() for w in (*e.organ, *e.classes.values())))
        and modality.lower() in ("", e.modality.lower())
        and commercial in ("", e.licence.commercial)
    ]


def is_offline() -> bool:
    """Tell whether nothing may be fetched."""
    return os.environ.get("SPARSESEG_OFFLINE", "").lower() in {"1", "true", "yes"}


def _shipped() -> list[ModelEntry]:
    folder = resources.files("sparseseg.models.store")
    return _read((folder / "models.yaml").read_text("utf-8"), "models.yaml")


def _read(text: str, source: str) -> list[ModelEntry]:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(
            "{source} is not valid YAML ({split}): correct the file",
            source=source,
            split=" ".join(str(error).split())[:160],
        ) from error
    plain = json.loads(json.dumps(data))  # numbers as keys become words, as in JSON
    fault = next(_validator().iter_errors(plain), None)
    if fault is not None:
        place = ".".join(map(str, fault.absolute_path)) or say("the top")
        raise UserError(
            "{source} is wrong at {place}: {message}",
            source=source,
            place=place,
            message=fault.message[:160],
        )
    return [_entry(item) for item in plain]


def _validator() -> Any:
    folder = resources.files("sparseseg.models.store")
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _entry(item: Mapping[str, Any]) -> ModelEntry:
    files = tuple(
        File(**{**file, "members": tuple(file.get("members", ()))})
        for file in item["files"]
    )
    made = ModelEntry(
        **{
            **item,
            "organ": tuple(item["organ"]),
            "classes": {int(n): name for n, name in item["classes"].items()},
            "citation": tuple(item["citation"]),
            "folds": tuple(item.get("folds", ())),
            "files": files,
            "licence": Licence(**item["licence"]),
        }
    )
    return replace(made, spacing=_tuple(made.spacing), range=_tuple(made.range))


def _tuple(values: Sequence[float] | None) -> Any:
    return None if values is None else tuple(map(float, values))
