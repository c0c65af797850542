"""The worker's side of the conversation with the daemon: messages out, a cancel flag in."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TextIO

from pipeline.protocol import Message, MessageType, encode

PROGRESS_EVERY_S = 0.2
_PR_SET_PDEATHSIG = 1


class Channel:
    """Writes messages to the original standard output; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._stream = take_standard_output()
        self._lock = threading.Lock()
        self._cancelled = False
        self._last_progress = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to stop."""
        return self._cancelled

    def cancel(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask the job to stop; a signal handler."""
        self._cancelled = True

    def send(self, message: Message) -> None:
        """Write one message; progress is thinned out."""
        if message.type is MessageType.PROGRESS:
            due = time.monotonic()
            last = message.data.get("done") == message.data.get("total")
            if due - self._last_progress < PROGRESS_EVERY_S and not last:
                return
            self._last_progress = due
        with self._lock:
            self._stream.write(encode(message) + "\n")
            self._stream.flush()


def take_standard_output() -> TextIO:
    """Return the original standard output for messages; whatever else prints goes to standard error from now on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


def die_with_parent() -> None:
    """Let the kernel kill this process when the daemon goes, also if it is gone already (Linux, prctl(2))."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
