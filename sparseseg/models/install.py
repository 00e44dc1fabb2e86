"""From the net, or from a file fetched by hand, into the store: one file of ours."""

import hashlib
import shutil
import zipfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers.foreign import ForeignFacts
from sparseseg.models.readers.formats import read_model
from sparseseg.models.store.archives import extract, members
from sparseseg.models.store.download import Fetched, check_online, download
from sparseseg.models.store.entries import File, ModelEntry
from sparseseg.models.store.folder import alone, incoming_of, path_of, read_stored
from sparseseg.models.store.remote_zip import NoRanges, RemoteFile


def install(entry: ModelEntry) -> Iterator[Fetched]:
    """Fetch a model, check it, and put it into the store; yield how far it is.

    Of an archive only the members that are needed are fetched, where the server gives
    parts. What is fetched is read once and kept as a file of ours. Raises `UserError`
    where that fails; the store is then as it was.
    """
    with alone(entry.id):
        check_online(entry.files[0].url)
        folder = incoming_of(entry.id)
        folder.mkdir(parents=True, exist_ok=True)
        sources: dict[str, Any] = {}
        for file in entry.files:
            sources |= yield from _fetched(_as_pinned(entry.id, file), folder)
        try:
            _keep(entry.id, folder, _given(entry, sources), inside=True)
        finally:
            shutil.rmtree(folder)  # what cannot be read is not worth to be kept either


def import_file(path: Path, name: str, entry: ModelEntry | None = None) -> Model:
    """Read a file or folder that is here already, and put it into the store as `name`.

    What is known of `entry` is kept with it. Raises `UserError` for a file that is not
    the known one, or cannot be read.
    """
    with alone(name):
        sources = {path.name: _hashes(path, entry)} if path.is_file() else {}
        given = (
            _given(entry, sources)
            if entry
            else ForeignFacts(history={"source": path.name})
        )
        return _keep(name, path, given, inside=False)


def pinned(name: str) -> Mapping[str, Any]:
    """Return the hashes of the files that a stored model was read from."""
    path = path_of(name)
    if not path.is_file():
        return {}
    found = read_stored(path).history.get("derived_from", {}).get("files", {})
    return dict(found)


def verify(name: str) -> Model:
    """Read a stored model wholly; raise `UserError` where it is damaged."""
    model = Model.load(path_of(name))
    weights = dict(model.network.named_parameters())
    for key, tensor in model.network.state_dict().items():
        # A tree that does not divide a node cuts at infinity.
        known = tensor.isfinite() if key in weights else ~tensor.isnan()
        if not bool(known.all()):
            raise UserError(
                "the model {name} is damaged: {key} holds values that are not numbers",
                name=name,
                key=key,
            )
    return model


_Fetching = Generator[Fetched, None, dict[str, Any]]


def _as_pinned(name: str, file: File) -> File:
    """Return a file with the hash that it had when it was first fetched."""
    known = pinned(name).get(file.name, {}).get("sha256")
    return replace(file, sha256=known) if known and file.sha256 is None else file


def _fetched(file: File, folder: Path) -> _Fetching:
    """Fetch the wanted members of an archive, or the file; return its hashes."""
    target = folder / file.name
    if file.members:
        unpacked = target.with_name(f"{target.name}.members")
        try:
            return (yield from _members_only(file, unpacked))
        except (NoRanges, zipfile.BadZipFile):
            # The whole archive then; some of its members would hide it.
            shutil.rmtree(unpacked, ignore_errors=True)
    yield from download(file, target)
    return {file.name: {"sha256": _sha256(target), "bytes": target.stat().st_size}}


def _members_only(file: File, folder: Path) -> _Fetching:
    remote = RemoteFile(file.url)
    with zipfile.ZipFile(remote) as archive:
        wanted = members(archive, file.members)
        if not wanted:
            raise UserError(
                "{name} holds nothing like {members}: it has "
                "changed since the list was made",
                name=file.name,
                members=", ".join(file.members),
            )
        total = sum(info.file_size for info in wanted)
        for done in extract(archive, wanted, folder):
            yield Fetched(done, total)
    told = {info.filename: f"{info.CRC:08x}" for info in wanted}
    return {file.name: {"crc32": told, "bytes_moved": remote.moved}}


def _given(entry: ModelEntry, sources: Mapping[str, Any]) -> ForeignFacts:
    licence = entry.licence
    derived = {
        "id": entry.id,
        "title": entry.title,
        "files": dict(sources),
        "licence": {
            "weights": licence.weights,
            "data": licence.data,
            "commercial": licence.commercial,
            "url": licence.url,
        },
        "citation": list(entry.citation),
        "status": entry.status,
    }
    # A model's own file names its classes better than a list that has only some.
    names = entry.classes if entry.format != "nnunet-v2" else {}
    return ForeignFacts(
        classes=names,
        orientation=entry.orientation,  # type: ignore[arg-type]  # checked by the schema
        folds=entry.folds,
        configuration=entry.configuration,
        history={"derived_from": derived},
    )


def _keep(name: str, source: Path, given: ForeignFacts, *, inside: bool) -> Model:
    """Read a model and save it in the store."""
    target = path_of(name)
    found = _only_file(source) if inside else source
    model = read_model(found, given)
    model.history.update(given.history)
    model.save(target)
    return model


def _only_file(folder: Path) -> Path:
    """Return the one file below a folder, or the folder where it begins to have several."""
    inner = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(inner) != 1:
        return folder
    return inner[0] if inner[0].is_file() else _only_file(inner[0])


def _hashes(path: Path, entry: ModelEntry | None) -> dict[str, Any]:
    """Return what a file fetched by hand is; raise `UserError` for another one."""
    sha256 = _sha256(path)
    known = {file.name: file for file in entry.files}.get(path.name) if entry else None
    if known and known.sha256 not in (None, sha256):
        raise UserError(
            "{name} has sha256 {sha256}, but the list says {known_sha256}: it is "
            "another file or incomplete; fetch it again",
            name=path.name,
            sha256=sha256,
            known_sha256=known.sha256,
        )
    if known and known.md5:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        if md5 != known.md5:
            raise UserError(
                "{name} has md5 {md5}, but the list says {known_md5}: it is "
                "another file or incomplete; fetch it again",
                name=path.name,
                md5=md5,
                known_md5=known.md5,
            )
    return {"sha256": sha256, "bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
