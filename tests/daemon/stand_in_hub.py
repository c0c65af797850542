"""A hub on this machine: the routes that huggingface_hub needs for public files, with failures on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

LARGE_BYTES = 10_000
"""Files above this are stated by their SHA-256, as the hub does for large ones, others by their git object name."""


@dataclass
class Hub:
    """What is published, and how the hub behaves."""

    repository: str
    revision: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut_at: dict[str, int] = field(default_factory=dict)
    """Path → bytes after which the connection breaks; from then on the file is not served until `repair`."""
    corrupted: set[str] = field(default_factory=set)
    """Paths whose bytes arrive changed."""
    stated: dict[str, str] = field(default_factory=dict)
    """Path → what is stated of a file in place of its sum."""
    ranges: list[tuple[str, str | None]] = field(default_factory=list)
    """Each GET: path and Range header."""
    broken: set[str] = field(default_factory=set)
    url: str = ""

    def repair(self) -> None:
        self.cut_at.clear()
        self.broken.clear()

    def etag(self, path: str) -> str:
        if path in self.stated:
            return self.stated[path]
        content = self.files[path]
        if len(content) > LARGE_BYTES:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, *, body: bool) -> None:
        hub = self.hub
        prefix = f"/{hub.repository}/resolve/{hub.revision}/"
        path = unquote(self.path.split("?")[0]).removeprefix(prefix)
        if path not in hub.files:
            self._plain(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.revision})
        elif not body:
            self._send(200, path, b"", len(hub.files[path]))
        elif path in hub.broken:
            self._plain(503, {})
        else:
            self._serve(path)

    def _serve(self, path: str) -> None:
        hub, wanted = self.hub, self.headers.get("Range")
        hub.ranges.append((path, wanted))
        content = hub.files[path]
        if path in hub.corrupted:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        rest = content[start:]
        cut = hub.cut_at.get(path)
        if cut is not None:
            hub.broken.add(path)
            self.close_connection = True
        sent = rest if cut is None else rest[:cut]
        extra = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if wanted else {}
        self._send(206 if wanted else 200, path, sent, len(rest), extra)

    def _send(self, status: int, path: str, body: bytes, length: int, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"ETag": f'"{self.hub.etag(path)}"', "X-Repo-Commit": self.hub.revision, **(extra or {})}
        headers |= {"Content-Length": str(length), "Accept-Ranges": "bytes"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _plain(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def running_hub(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port for as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
