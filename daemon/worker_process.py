"""The daemon's end of a worker: lines in, lines out, ordinary output into a bounded log."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import IO

MAX_LINE_BYTES = 16 * 2**20
READ_BYTES = 1 << 16
KEPT_LINES = 50


class LineTooLongError(Exception):
    """The worker sent more than MAX_LINE_BYTES without a newline."""


class BoundedLog:
    """A log file that keeps its newest bytes: when full it becomes `<name>.1`, replacing the one before."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._stream: IO[bytes] = path.open("ab")
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._partial = b""

    def write(self, data: bytes) -> None:
        """Append; carriage returns of progress bars become newlines. A full disk costs the log, not the job."""
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._partial = (self._partial + data)[-READ_BYTES:].split(b"\n")
        self.last_lines.extend(line.decode(errors="replace") for line in lines if line.strip())
        try:
            if self._stream.tell() + len(data) > self._max_bytes:
                self._stream.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._stream = self.path.open("ab")
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            self.last_lines.append("(the log could not be written)")

    def close(self) -> None:
        """Close the file and keep an unfinished last line among the last lines."""
        if self._partial.strip():
            self.last_lines.append(self._partial.decode(errors="replace"))
        self._stream.close()


class WorkerProcess:
    """Feeds and reads a child without ever blocking on it."""

    def __init__(self, process: subprocess.Popen[bytes], log: BoundedLog) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.process = process
        self.log = log
        self.last_sign_of_life = time.monotonic()
        self._input = process.stdin
        self._pending = b""
        self._output = b""
        self._lines: deque[str] = deque()
        self._selector = selectors.DefaultSelector()
        for stream in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, self._read_output)
        self._selector.register(process.stderr, selectors.EVENT_READ, self._read_errors)

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self.process.poll() is None

    def send(self, line: str) -> None:
        """Queue one line for the child's standard input; `read` delivers it."""
        if not self._pending and not self._input.closed:
            self._selector.register(self._input, selectors.EVENT_WRITE, self._write)
        self._pending += line.encode() + b"\n"

    def read(self, timeout_s: float) -> list[str]:
        """Move bytes both ways for at most `timeout_s` and return the complete lines of standard output.

        Raises:
            LineTooLongError: the child sent a line without an end.
        """
        if not self._selector.get_map():  # both ends closed: only the exit is left to wait for
            time.sleep(min(timeout_s, 0.05))
        else:
            for key, _ in self._selector.select(timeout_s):
                key.data()
        lines = list(self._lines)
        self._lines.clear()
        return lines

    def drain(self) -> list[str]:
        """Return what is still in the pipes of a child that has ended.

        Raises:
            LineTooLongError: the child left a line without an end.
        """
        lines: list[str] = []
        while self._selector.get_map() and self._selector.select(0):
            lines += self.read(0)
        return lines

    def close(self) -> None:
        """Close pipes and log."""
        self._selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.log.close()

    def _write(self) -> None:
        try:
            self._pending = self._pending[os.write(self._input.fileno(), self._pending[:READ_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it ended; its exit code tells why
            self._pending = b""
        if not self._pending:
            self._selector.unregister(self._input)

    def _read_output(self) -> None:
        assert self.process.stdout
        data = self._receive(self.process.stdout)
        *lines, self._output = (self._output + data).split(b"\n")
        self._lines.extend(line.decode(errors="replace") for line in lines if line.strip())
        if len(self._output) > MAX_LINE_BYTES:
            self._output = b""
            raise LineTooLongError

    def _read_errors(self) -> None:
        assert self.process.stderr
        self.log.write(self._receive(self.process.stderr))

    def _receive(self, stream: IO[bytes]) -> bytes:
        try:
            data = os.read(stream.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._selector.unregister(stream)
        self.last_sign_of_life = time.monotonic()
        return data
