"""Files that a package of BioImage.IO names: inside of it, and the ones described."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sparseseg.errors import UserError


def checked(folder: Path, entry: Mapping[str, Any]) -> Path:
    """Return a file of the package; raise `UserError` unless it is the one described."""
    path = inside(folder, entry)
    if not path.is_file():
        raise UserError(
            "the model names {name}, which is not in {folder}: download the "
            "whole package",
            name=path.name,
            folder=folder.name,
        )
    wanted = str(entry.get("sha256") or "")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted and wanted != found:
        raise UserError(
            "{name} has sha256 {found}, and the model says {wanted}: it is "
            "another file or incomplete; download it again",
            name=path.name,
            found=found,
            wanted=wanted[:64],
        )
    return path


def inside(folder: Path, given: Any) -> Path:
    """Return where a file of the package is; raise `UserError` for one outside."""
    source = str(given["source"] if isinstance(given, Mapping) else given)
    if "://" in source:
        raise UserError(
            "the model says that a part is at {source}: download the whole "
            "package, a .zip, and give that",
            source=source[:120],
        )
    place = PurePosixPath(source.replace("\\", "/"))
    path = folder / place
    stays = path.resolve().is_relative_to(folder.resolve())
    if place.is_absolute() or ".." in place.parts or ":" in source or not stays:
        raise UserError(
            "the model names {source!r}, which is outside of its folder: it was "
            "not loaded",
            source=source[:80],
        )
    return path
