"""Ask one probe process about many files; a file on which it crashes or hangs costs only itself."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from daemon.processes import module_command
from daemon.settings import CHECKOUT

PATIENCE_S = 120.0
TURN_S = 0.25


class Stopped(Exception):  # noqa: N818 - not an error
    """The service stops; nothing was decided."""


class Examiner:
    """Decodes files in a process of its own, because untrusted bytes may crash or hang a decoder."""

    def __init__(self, stop: threading.Event, patience_s: float = PATIENCE_S) -> None:
        self._stop = stop
        self._patience_s = patience_s

    def examine(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Return the probe's answer for each path (see pipeline.probe).

        Raises:
            Stopped: the service stops meanwhile.
        """
        answers: list[dict[str, Any]] = []
        while len(answers) < len(paths):
            answers.extend(self._round(paths[len(answers) :]))
        return answers

    def _round(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Ask until the end or the first file that the process does not survive."""
        process = _start()
        answers: list[dict[str, Any]] = []
        try:
            for path in paths:
                line = self._ask(process, path)
                answers.append(_parsed(line))
                if not line:
                    break
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        return answers

    def _ask(self, process: subprocess.Popen[bytes], path: str) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"path": path}).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return b""
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            if self._stop.is_set():
                raise Stopped
            if select.select([process.stdout], [], [], TURN_S)[0]:
                return process.stdout.readline()
        return b""


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    return {"ok": False, "reason": "the decoder failed or took too long; it is broken or not audio; convert it to WAV"}


def _start() -> subprocess.Popen[bytes]:
    search = os.pathsep.join(filter(None, (str(CHECKOUT), os.getenv("PYTHONPATH"))))
    return subprocess.Popen(
        module_command("pipeline.probe"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": search},
    )
