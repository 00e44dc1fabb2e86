"""Files from the net: resumed where it is safe, checked, and there whole or not at all."""

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.store.entries import File, is_offline

TIMEOUT_SECONDS = 30.0
_CHUNK = 2**18
_TRIES = 5  # without a single byte in between
_PAUSE_SECONDS = 0.5
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_LOST = (
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    urllib.error.ContentTooShortError,
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download is, in bytes; `total` is None until the server tells."""

    done: int
    total: int | None


def download(file: File, target: Path) -> Iterator[Fetched]:
    """Fetch a file to `target`, and yield how far it is.

    What is there of an earlier try is used where the server says that the file is the
    same. Raises `UserError` when the server cannot be reached, does not have the file,
    or sends other bytes than those that are known; `target` is then not made.
    """
    check_online(file.url)
    part = _Part(target.with_name(f"{target.name}.part"), file)
    failures, before = 0, -1
    while not part.is_complete:
        try:
            yield from part.fetch()
        except _LOST as error:
            failures = failures + 1 if part.size <= before else 1
            before = part.size
            if failures >= _TRIES:
                raise UserError(
                    "{url} stopped answering after {size} bytes ({error}): "
                    "try again later, the download continues from there",
                    url=file.url,
                    size=part.size,
                    error=error,
                ) from error
            time.sleep(_PAUSE_SECONDS * failures)
    part.check()
    part.path.replace(target)
    part.forget()


def check_online(url: str) -> None:
    """Raise `UserError` where nothing may be fetched, or not in this way."""
    if is_offline():
        raise UserError(
            "SPARSESEG_OFFLINE is set: fetch {url} by hand, and then run "
            "`sparseseg models import FILE`",
            url=url,
        )
    if not url.startswith(("https://", "http://")):
        raise UserError("{url} is no address of a web server", url=url)


def request(url: str, headers: dict[str, str]) -> Any:
    """Open an address; raise `UserError` for one that is refused or not found."""
    asked = urllib.request.Request(url, headers={"User-Agent": "sparseseg", **headers})
    try:
        return urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code >= 500 or error.code == 429:
            raise ConnectionError(f"error {error.code}") from error
        raise RefusedError(error.code, url) from error
    except urllib.error.URLError as error:
        raise ConnectionError(str(error.reason)) from error


class RefusedError(UserError):
    """The server answers, but will not give the file."""

    def __init__(self, code: int, url: str) -> None:
        super().__init__(
            say(
                "the server answers {code} to {url}: the file may have moved; find and "
                "download it, and then run `sparseseg models import FILE`",
                code=code,
                url=url,
            )
        )
        self.code = code


class _Part:
    """The file so far, and what the server said of it."""

    def __init__(self, path: Path, file: File) -> None:
        self.path = path
        self._file = file
        self._notes = path.with_name(f"{path.name}.json")
        self._validator, self._total = self._remembered()

    @property
    def size(self) -> int:
        """The bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are there."""
        return self._total is not None and self.size == self._total

    def fetch(self) -> Iterator[Fetched]:
        """Ask for what is missing, and write it as it comes."""
        try:
            answer = request(self._file.url, self._resuming())
        except RefusedError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            self.forget()  # it has become shorter than what is there
            return
        with answer:
            begin = self._begin(answer.status, answer.headers)
            with self.path.open("r+b" if begin else "wb") as part:
                part.seek(begin)
                part.truncate()
                done = begin
                while chunk := answer.read(_CHUNK):
                    done += len(chunk)
                    self._check_room(done)
                    part.write(chunk)
                    yield Fetched(done, self._total)
        if self._total is None:
            self._total = done
        if done < self._total:
            raise ConnectionError(f"{done} of {self._total} bytes came")

    def check(self) -> None:
        """Raise `UserError`, and forget the file, where it is not the known one."""
        for name, wanted in (("md5", self._file.md5), ("sha256", self._file.sha256)):
            if wanted is None:
                continue
            with self.path.open("rb") as part:
                found = hashlib.file_digest(part, name).hexdigest()
            if found != wanted:
                self.forget()
                raise UserError(
                    "{url} sent a file with {name} {found}, but the list says "
                    "{wanted}: the file was deleted, try again later",
                    url=self._file.url,
                    name=name,
                    found=found,
                    wanted=wanted,
                )

    def forget(self) -> None:
        """Throw away what is there."""
        for path in (self.path, self._notes):
            path.unlink(missing_ok=True)
        self._validator, self._total = None, None

    def _resuming(self) -> dict[str, str]:
        if not self.size or self._validator is None:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def _begin(self, status: int, headers: Message) -> int:
        """Return where the answer begins in the file; remember what is said of it."""
        length = _whole(headers.get("Content-Length"))
        begin, total = 0, length
        if status == http.client.PARTIAL_CONTENT:
            found = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            told = [int(number) for number in found.groups()] if found else []
            here = length is None or not told or length == told[1] - told[0] + 1
            if not found or told[0] != self.size or not here or told[1] + 1 != told[2]:
                # Not what was asked for: nothing that it says can be trusted.
                self.forget()
                raise ConnectionError(
                    "the server sent another part of the file than requested"
                )
            begin, total = told[0], told[2]
        known = self._file.bytes
        if known is not None and total is not None and total != known:
            self.forget()
            raise UserError(
                "{url} has {total} bytes, but the list says {known}: it is "
                "another file and was not downloaded",
                url=self._file.url,
                total=total,
                known=known,
            )
        self._total = total
        self._validator = _validator(headers)
        self._remember()
        return begin

    def _check_room(self, done: int) -> None:
        if self._total is not None and done > self._total:
            self.forget()
            raise ConnectionError(f"more than the announced {self._total} bytes came")

    def _remember(self) -> None:
        notes = {
            "url": self._file.url,
            "validator": self._validator,
            "total": self._total,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._notes.write_text(json.dumps(notes))

    def _remembered(self) -> tuple[str | None, int | None]:
        try:
            notes = json.loads(self._notes.read_text())
            if notes["url"] != self._file.url or not self.path.exists():
                return None, None
            return notes["validator"], notes["total"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None


def _validator(headers: Message) -> str | None:
    """Return what tells the same file from another; weak tags do not."""
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    modified: str | None = headers.get("Last-Modified")
    return modified


def _whole(number: str | None) -> int | None:
    return int(number) if number and number.isdigit() else None
