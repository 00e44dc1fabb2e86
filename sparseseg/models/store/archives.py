"""Zip files of strangers: members are checked, and only those that are wanted leave."""

import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from sparseseg.errors import UserError
from sparseseg.language import say

_MOST_MEMBERS = 20_000
_MOST_BYTES = 64 * 2**30
_MOST_RATIO = 100
_SMALL = 2**20  # below this a member may be packed as tightly as it likes
_LINK = 0o120000
_CHUNK = 2**20
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    OSError,  # of bz2
)


def members(archive: zipfile.ZipFile, wanted: Sequence[str]) -> list[zipfile.ZipInfo]:
    """Return the members that match one of the patterns, all files if there is none.

    Patterns match the end of a path. Raises `UserError` if any member, wanted or not,
    is one that an honest archive does not hold.
    """
    every = [info for info in archive.infolist() if not info.is_dir()]
    _check_all(every)
    real = [info for info in every if not _is_noise(info.filename)]
    return [info for info in real if not wanted or _matches(info.filename, wanted)]


def extract(
    archive: zipfile.ZipFile, chosen: Iterable[zipfile.ZipInfo], into: Path
) -> Iterator[int]:
    """Write members into a folder, under their own paths; yield the bytes so far.

    Raises `UserError` for a member that is damaged; none becomes larger than it says.
    """
    done = 0
    for info in chosen:
        target = into / PurePosixPath(info.filename)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in _unpacked(archive, info):
                file.write(chunk)
                done += len(chunk)
                yield done


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file; raise `UserError` for what is none."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(
            "{name} is not a complete zip archive ({error}): download it again",
            name=path.name,
            error=error,
        ) from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as packed:
            while chunk := packed.read(_CHUNK):
                yield chunk
    except _DAMAGED as error:
        raise UserError(
            "{filename} in the archive is damaged ({error}): fetch it again",
            filename=info.filename,
            error=error,
        ) from error


def _check_all(every: Sequence[zipfile.ZipInfo]) -> None:
    if len(every) > _MOST_MEMBERS:
        raise UserError(
            "the archive holds {count} files, and models have fewer than "
            "{most_members}: it was not opened",
            count=len(every),
            most_members=_MOST_MEMBERS,
        )
    total = sum(info.file_size for info in every)
    if total > _MOST_BYTES:
        raise UserError(
            "the archive says it holds {total} bytes, more than any model: "
            "it was not opened",
            total=total,
        )
    for info in every:
        if what := _fault(info):
            raise UserError(
                "the archive holds {filename!r}, {what}: it was not opened",
                filename=info.filename,
                what=what,
            )


def _fault(info: zipfile.ZipInfo) -> str:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    packed = max(1, info.compress_size)
    found = ""
    if path.is_absolute() or ".." in path.parts or ":" in info.filename:
        found = say("which would be written outside of its folder")
    elif (info.external_attr >> 16) & 0o170000 == _LINK:
        found = say("which is a link")
    elif info.flag_bits & 1:
        found = say("which is encrypted")
    elif info.file_size > _SMALL and info.file_size / packed > _MOST_RATIO:
        found = say(
            "which grows from {packed} to {file_size} bytes",
            packed=packed,
            file_size=info.file_size,
        )
    return found


def _is_noise(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _matches(name: str, wanted: Sequence[str]) -> bool:
    return any(fnmatch(name, f"*{pattern}") for pattern in wanted)
