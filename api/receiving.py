"""Receiving an upload as a stream: the body is never in memory as a whole, and a broken one leaves nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from anyio import to_thread
from litestar import Request
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from daemon.errors import InvalidInputError, TooLargeError
from daemon.layout import Layout
from daemon.uploads import Arrived, safe_name

FIELD = "file"
BLOCK_BYTES = 1 << 20
OVERHEAD_BYTES = 64 * 1024
"""Room for boundaries and headers beside the file itself."""
MAX_PARTS = 16
MAX_HEADER_BYTES = 8192
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)", re.IGNORECASE)


class _Receiver:
    """Writes the first part called `file` into a folder while hashing it; other parts are read over."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._digest = hashlib.sha256()
        self._stream: IO[bytes] | None = None
        self._path: Path | None = None
        self._writing = False
        self._received_bytes = 0

    def take(self, parser: PushMultipartParser, block: bytes) -> None:
        """Act on what the parser finds in a block."""
        for event in parser.parse(block):
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is None:
                self._writing = False
            elif self._writing:
                self._write(event)

    def finish(self) -> Arrived:
        """Bring the file to the disk.

        Raises:
            InvalidInputError: there was no such part, or it was empty.
        """
        if self._stream is None or self._path is None:
            raise InvalidInputError(f"{FIELD}: the multipart field with the recording is missing")
        if self._received_bytes == 0:
            raise InvalidInputError(f"{FIELD}: {self._path.name!r} is empty")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return Arrived(self._path, self._digest.hexdigest())

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _begin(self, part: MultipartSegment) -> None:
        if part.name != FIELD or self._stream is not None:
            return
        name = _client_name(part)
        if not name:
            raise InvalidInputError(f"{FIELD}: the part has no file name")
        self._path = self._folder / safe_name(name)
        self._stream = self._path.open("xb")
        self._writing = True

    def _write(self, block: bytes | bytearray) -> None:
        assert self._stream is not None
        self._received_bytes += len(block)
        if self._received_bytes > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        self._digest.update(block)
        self._stream.write(block)


@asynccontextmanager
async def receive(request: Request[Any, Any, Any], layout: Layout, limit_bytes: int) -> AsyncIterator[Arrived]:
    """Receive the `file` part of a multipart body; the file is gone afterwards unless it was moved away.

    Raises:
        InvalidInputError: not a multipart body, no such part, or it ended early.
        TooSlowError: it does not come.
        TooLargeError: larger than the limit; found out before it is read where the length is declared.
        UnsupportedAudioError: the name has no audio extension.
    """
    parser = _parser(request, limit_bytes)
    folder = layout.scratch / f"upload-{os.urandom(8).hex()}"
    folder.mkdir(parents=True)
    receiver = _Receiver(folder, limit_bytes)
    try:
        try:
            async for block in _blocks(request):
                await to_thread.run_sync(receiver.take, parser, block)
            parser.close()
        except MultipartError as error:
            raise InvalidInputError(f"the multipart body is broken: {error}") from error
        yield await to_thread.run_sync(receiver.finish)
    finally:
        receiver.close()
        shutil.rmtree(folder, ignore_errors=True)


def _parser(request: Request[Any, Any, Any], limit_bytes: int) -> PushMultipartParser:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes + OVERHEAD_BYTES:
        raise _too_large(limit_bytes)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise InvalidInputError(f"{FIELD}: send the recording as multipart/form-data with a field called {FIELD!r}")
    try:
        return PushMultipartParser(options["boundary"], max_header_size=MAX_HEADER_BYTES, max_segment_count=MAX_PARTS)
    except MultipartError as error:
        raise InvalidInputError(f"the multipart body is broken: {error}") from error


async def _blocks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """Yield the body in larger blocks than the network brings, so that few of them go to a thread."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _client_name(part: MultipartSegment) -> str:
    """Return the file name that the client gave; RFC 5987 names win, as some clients send both."""
    extended = _EXTENDED_NAME.search(part.header("Content-Disposition", ""))
    return unquote(extended[1], errors="replace") if extended else part.filename or ""


def _too_large(limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"{FIELD}: the recording is larger than the limit of {limit_bytes} bytes")
