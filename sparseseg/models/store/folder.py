"""The folder of models that are here, each one file of ours."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import platformdirs
from safetensors import SafetensorError, safe_open

from sparseseg.data.atomic import is_unfinished
from sparseseg.errors import UserError

SUFFIX = ".safetensors"
FOLDER_VARIABLE = "SPARSESEG_MODEL_DIR"
_INCOMING = ".incoming"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A model that is here, as its file describes itself."""

    id: str
    path: Path
    bytes: int
    description: Mapping[str, Any]
    """Plan, classes and history; empty for a file that cannot be read."""

    @property
    def is_whole(self) -> bool:
        """Whether the file could be read."""
        return bool(self.description)

    @property
    def classes(self) -> dict[int, str]:
        """The classes by number."""
        found = self.description.get("classes", [])
        return {int(entry["number"]): str(entry["name"]) for entry in found}

    @property
    def history(self) -> Mapping[str, Any]:
        """How the model came to be."""
        return dict(self.description.get("history", {}))


def store_folder() -> Path:
    """Return the folder of models; SPARSESEG_MODEL_DIR names another one."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path("sparseseg") / "models"


def path_of(name: str) -> Path:
    """Return where a model is, or would be; `UserError` for a name that is no id."""
    if not _ID.fullmatch(name):
        raise UserError(
            "a model's id has small letters, digits and hyphens, got {name!r}",
            name=name[:80],
        )
    return store_folder() / f"{name}{SUFFIX}"


def incoming_of(name: str) -> Path:
    """Return the folder that holds what is fetched of a model until it is whole."""
    return store_folder() / _INCOMING / name


def stored() -> list[Stored]:
    """Return the models that are here, by id."""
    files = sorted(store_folder().glob(f"*{SUFFIX}"))
    return [read_stored(path) for path in files if not is_unfinished(path)]


def read_stored(path: Path) -> Stored:
    """Read what a model's file says of itself, without its weights."""
    try:
        with safe_open(path, framework="np") as file:
            description = json.loads((file.metadata() or {}).get("sparseseg", "{}"))
    except (SafetensorError, OSError, ValueError):
        description = {}
    known = description if isinstance(description, dict) else {}
    return Stored(path.stem, path, path.stat().st_size, known)


def remove(name: str) -> int:
    """Remove a model and what is left of its downloads; return the bytes freed.

    Raises `UserError` where there is neither, where a process is fetching the model,
    and where the system refuses.
    """
    path, incoming = path_of(name), incoming_of(name)
    found = [file for file in (path, *incoming.rglob("*")) if file.is_file()]
    if not found:
        raise UserError(
            "the model {name!r} is not in the store: `sparseseg models list --here` shows "
            "the models that are",
            name=name,
        )
    with alone(name):
        try:
            freed = sum(file.stat().st_size for file in found)
            path.unlink(missing_ok=True)
            if incoming.is_dir():
                shutil.rmtree(incoming)
        except OSError as error:
            raise UserError(
                "cannot remove {path} ({strerror})",
                path=error.filename,
                strerror=error.strerror,
            ) from error
    return freed


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes from installing the same model meanwhile.

    Raises `UserError` where one already does.
    """
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f".{name}.lock")
        lock.acquire(timeout=0.1)
    except filelock.Timeout as error:
        raise UserError(
            "another process is fetching {name}: wait until it is done", name=name
        ) from error
    except OSError as error:
        raise UserError(
            "cannot write to {folder} ({strerror}): set {folder_variable} to a "
            "folder that can be written to",
            folder=folder,
            strerror=error.strerror,
            folder_variable=FOLDER_VARIABLE,
        ) from error
    try:
        yield
    finally:
        lock.release()
