"""A web server on this machine that behaves, or misbehaves, as a test wants."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Site:
    """The files of a server, and its manners."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tag = '"one"'
        self.ranges = True
        self.lies = False
        self.cut_after = 0  # bytes of each answer, 0 for none
        self.cuts = 10**9  # how many answers are cut
        self.pause = 0.0
        self.code = 0
        self.after: Any = None  # called once an answer was given
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        site: Site = self.server.site
        site.asked.append(dict(self.headers))
        content = site.files.get(self.path.split("?")[0].lstrip("/"))
        if site.code or content is None:
            self.send_response(site.code or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        begin, end, status = self._part(site, content)
        body = content[begin:end]
        self._head(site, (begin, end), len(content), status)
        time.sleep(site.pause)
        self._body(site, body)
        if site.after:
            site.after()

    def _head(self, site: Site, part: tuple[int, int], size: int, status: int) -> None:
        begin, end = part
        told = (0, end) if site.lies else part
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {told[0]}-{told[1] - 1}/{size}")
        self.send_header("Content-Length", str(end - begin))
        if site.tag:
            self.send_header("ETag", site.tag)
        self.end_headers()

    def _body(self, site: Site, body: bytes) -> None:
        cut = site.cut_after and site.cuts > 0 and len(body) > site.cut_after
        if cut:
            site.cuts -= 1
            body = body[: site.cut_after]
        site.sent += len(body)  # before who asked can look
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True
        if cut:
            self.close_connection = True

    def _part(self, site: Site, content: bytes) -> tuple[int, int, int]:
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, site.tag)
        if not asked or not site.ranges or not same:
            return 0, len(content), 200
        end = int(asked.group(2)) + 1 if asked.group(2) else len(content)
        return int(asked.group(1)), min(end, len(content)), 206


@contextmanager
def serving() -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    site = Site()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    server.site = site  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
