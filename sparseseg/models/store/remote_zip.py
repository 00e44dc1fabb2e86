"""Single members of a large archive on the net, without fetching the rest."""

import http.client
import io
import time

from sparseseg.models.store.download import CONTENT_RANGE, RefusedError, request

BLOCK = 2**20
_TRIES = 4
_PAUSE_SECONDS = 0.5


class NoRanges(Exception):  # noqa: N818  # a way that is closed, not a fault
    """The server does not give parts of this file, or not reliably."""


class RemoteFile(io.RawIOBase):
    """A file on a web server, read by blocks; `moved` counts the bytes that came.

    Raises `NoRanges` where the server does not keep to what was asked for, or the file
    changes meanwhile.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._place = 0
        self._tag: str | None = None
        self.moved = 0
        self.requests = 0
        self._start, self._block = 0, b""
        self.size = self._ask(0, 1)[1]

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}
        self._place = max(0, base[whence] + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or up to the end."""
        stop = self.size if size < 0 else min(self.size, self._place + size)
        parts = []
        while self._place < stop:
            offset = self._place - self._start
            if not 0 <= offset < len(self._block):
                end = min(self.size, self._place + max(BLOCK, stop - self._place))
                self._start = self._place
                self._block, _ = self._ask(self._place, end)
                offset = 0
            part = self._block[offset : offset + stop - self._place]
            parts.append(part)
            self._place += len(part)
        return b"".join(parts)

    def _ask(self, begin: int, end: int) -> tuple[bytes, int]:
        """Return the bytes from begin to end, and the size of the whole file."""
        for tries in range(_TRIES):
            try:
                return self._once(begin, end)
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                if tries == _TRIES - 1:
                    raise NoRanges(str(error)) from error
                time.sleep(_PAUSE_SECONDS * (tries + 1))
        raise AssertionError

    def _once(self, begin: int, end: int) -> tuple[bytes, int]:
        self.requests += 1
        try:
            answer = request(self._url, {"Range": f"bytes={begin}-{end - 1}"})
        except RefusedError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise NoRanges("no such part") from error
            raise
        with answer:
            found = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status != http.client.PARTIAL_CONTENT or not found:
                raise NoRanges("the server sends the whole file")
            first, last, size = map(int, found.groups())
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            self._check(first == begin and last == end - 1, "another part")
            self._check(self._tag in (None, tag), "another file meanwhile")
            self._tag = tag
            content: bytes = answer.read(end - begin + 1)
        self.moved += len(content)
        if len(content) < end - begin:
            raise ConnectionError("the connection was cut")
        self._check(len(content) == end - begin, "more than asked for")
        return content, size

    def _check(self, right: bool, words: str) -> None:
        if not right:
            raise NoRanges(words)
