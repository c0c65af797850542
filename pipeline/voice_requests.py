"""What the daemon asks the voice worker for: read beside the speaking, so that a request can be cancelled."""

from __future__ import annotations

import os
import queue
import threading

from pipeline.protocol import SpeakCancel, SpeakRequest, decode_for_voice

_READ_BYTES = 1 << 16


class RequestCancelledError(Exception):
    """The request that is being spoken was cancelled."""


class BadRequestError(Exception):
    """A line that is no request; the text says why."""


class RequestQueue:
    """Reads lines from a file descriptor in a thread of its own; requests wait here in their order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[SpeakRequest | BadRequestError | None] = queue.Queue()
        self._open: set[str] = set()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self, timeout_s: float) -> SpeakRequest | BadRequestError | None:
        """Return the next request, or None when the input has ended or nothing came for `timeout_s` seconds."""
        try:
            return self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def check(self, request_id: str) -> None:
        """Do nothing for a request that is still wanted.

        Raises:
            RequestCancelledError: it is not.
        """
        if request_id in self._cancelled:
            raise RequestCancelledError(request_id)

    def close(self, request_id: str) -> None:
        """Forget a request that was answered."""
        self._open.discard(request_id)
        self._cancelled.discard(request_id)

    def _read(self) -> None:
        # Not through sys.stdin: a thread that waits in its buffer would keep the interpreter from ending.
        rest = b""
        while block := os.read(self._descriptor, _READ_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._take(line)
        self._waiting.put(None)

    def _take(self, line: bytes) -> None:
        try:
            order = decode_for_voice(line.decode("utf-8"))
        except (TypeError, ValueError) as error:
            self._waiting.put(BadRequestError(str(error)))
            return
        if isinstance(order, SpeakRequest):
            self._open.add(order.request_id)
            self._waiting.put(order)
        elif isinstance(order, SpeakCancel) and order.cancel in self._open:
            self._cancelled.add(order.cancel)
