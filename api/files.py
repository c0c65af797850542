"""Sending files: ranges, HEAD, strong entity tags; read in blocks off the event loop."""

from __future__ import annotations

import mimetypes
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import msgspec
from anyio import to_thread
from litestar.datastructures import Headers
from litestar.types import Receive, Scope, Send

from api.ranges import Span, UnsatisfiableRangeError, names_etag, parse_range
from api.schemas import ErrorBody
from daemon.errors import NotFoundError

BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """An ASGI application that answers with one file, or the part of it that the request asks for."""

    path: Path
    filename: str
    """What a browser saves it as."""
    attachment: bool = True
    cache_control: str = "no-cache"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        stream = await to_thread.run_sync(_open, self.path)
        try:
            await self._send(scope, send, stream)
        finally:
            stream.close()

    async def _send(self, scope: Scope, send: Send, stream: IO[bytes]) -> None:
        facts = os.fstat(stream.fileno())
        etag = f'"{facts.st_size:x}-{facts.st_mtime_ns:x}-{facts.st_ino:x}"'
        asked = Headers.from_scope(scope)
        head = scope["method"] == "HEAD"  # type: ignore[typeddict-item]
        headers = {"etag": etag, "accept-ranges": "bytes", **self._headers()}
        if names_etag(asked.get("if-none-match", ""), etag):
            await _start(send, 304, headers)
            return await _body(send, b"", more=False)
        # A part of another version must not be glued to what the client has (RFC 9110, If-Range).
        fits = asked.get("if-range", etag) == etag
        try:
            span = parse_range(asked.get("range"), facts.st_size) if fits else None
        except UnsatisfiableRangeError:
            return await _refuse_range(send, facts.st_size, head)
        whole = Span(0, facts.st_size - 1)
        if span is not None:
            headers["content-range"] = f"bytes {span.start}-{span.end}/{facts.st_size}"
        await _start(send, 200 if span is None else 206, {**headers, "content-length": str((span or whole).length)})
        await _send_blocks(send, stream, Span(0, -1) if head else span or whole)
        return None

    def _headers(self) -> dict[str, str]:
        kind = mimetypes.guess_type(self.filename)[0] or "application/octet-stream"
        plain = "".join(
            each if each.isascii() and each.isprintable() and each not in '"\\' else "_" for each in self.filename
        )
        extended = quote(self.filename, safe="")
        disposition = "attachment" if self.attachment else "inline"
        return {
            "content-type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
            "content-disposition": f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{extended}",
            "cache-control": self.cache_control,
            "x-content-type-options": "nosniff",
        }


def _open(path: Path) -> IO[bytes]:
    """Open an ordinary file; a link in its last part is not followed, a pipe is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotFoundError(f"there is no file {path.name!r}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFoundError(f"there is no file {path.name!r}")
    return os.fdopen(descriptor, "rb")


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _refuse_range(send: Send, size_bytes: int, head: bool) -> None:
    error = ErrorBody(status_code=416, detail=f"the file has {size_bytes} bytes; none of them lies in the range")
    body = msgspec.json.encode(error)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    await _start(send, 416, {**headers, "content-range": f"bytes */{size_bytes}"})
    await _body(send, b"" if head else body, more=False)


async def _body(send: Send, block: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": more})


async def _send_blocks(send: Send, stream: IO[bytes], span: Span) -> None:
    """Send the bytes of a span; a file that became shorter meanwhile ends the answer early."""
    left = span.length
    stream.seek(span.start)
    while left > 0:
        block = await to_thread.run_sync(stream.read, min(left, BLOCK_BYTES))
        if not block:
            raise OSError("the file became shorter while it was sent")
        left -= len(block)
        await _body(send, block, more=left > 0)
    if span.length <= 0:
        await _body(send, b"", more=False)
