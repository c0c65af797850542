"""Asking a process of its own to read model files, because reading them takes torch and they come from strangers."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from daemon.processes import module_command
from daemon.settings import CHECKOUT

TIMEOUT_S = 600.0
"""A full base is read in seconds; a file that takes longer than this is refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reader says of a file: one sentence, and facts where it was asked for some."""

    ok: bool
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class ModelReader:
    """The reading process: started with the first question, and again after a file that made it end."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ModelReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, operation: str, **details: str | Path) -> Answer:
        """Have one thing done; a reader that crashes or hangs is an answer, too."""
        request = {"operation": operation, **{name: str(value) for name, value in details.items()}}
        line = self._exchange(json.dumps(request))
        if line is None:
            self.close(kill=True)
            return Answer(False, "it made the reader crash or hang; the file is broken or hostile")
        answer = json.loads(line)
        return Answer(bool(answer.pop("ok")), str(answer.pop("said")), answer)

    def _exchange(self, line: str) -> bytes | None:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        if not select.select([process.stdout], [], [], self._timeout_s)[0]:
            return None
        return process.stdout.readline() or None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            path = os.pathsep.join(filter(None, (str(CHECKOUT), os.getenv("PYTHONPATH"))))
            self._process = subprocess.Popen(
                module_command("pipeline.models"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
        return self._process

    def close(self, *, kill: bool = False) -> None:
        """End the process; it ends by itself when its input does."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        process.communicate()
