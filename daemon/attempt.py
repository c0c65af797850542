"""One attempt at a job: start the worker, listen to it, end it when asked, and say how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from daemon import processes
from daemon.exits import Asked, Ending
from daemon.processes import ProgramSpec
from daemon.recorder import Recorder
from daemon.worker_process import BoundedLog, LineTooLongError, WorkerProcess
from pipeline.protocol import JobSpec, Message, MessageType, decode_message, encode

logger = logging.getLogger(__name__)

TURN_S = 0.2
LINGER_S = 5.0
"""A worker that said it is done gets this long to end by itself."""


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Bounds of one attempt, in seconds and bytes."""

    cancel_grace_s: float = 10.0
    stop_grace_s: float = 25.0
    """Longer than for a cancel: the worker saves a checkpoint, and the daemon still ends within 40 s."""
    stall_s: float = 3600.0
    log_bytes: int = 10_000_000


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """What to start, for which work directory, and where its log goes."""

    command: Sequence[str]
    work_dir: Path
    log: Path


class Attempt:
    """Runs a worker to its end. `run` returns only when all its processes are gone."""

    def __init__(self, spec: JobSpec, recorder: Recorder, place: WorkerPlace, limits: AttemptLimits) -> None:
        self._spec = spec
        self._recorder = recorder
        self._place = place
        self._limits = limits
        self._asked: Asked | None = None
        self._ending = Ending(code=0)

    def run(self, stopping: Callable[[], bool], started: Callable[[int], None]) -> Ending:
        """Run the worker.

        Args:
            stopping: polled; true when the service stops.
            started: called once with the worker's process number.

        Raises:
            ServiceError: the database cannot be written; the worker has been ended.
            OSError: the worker cannot be started.
        """
        limits = self._limits
        program = ProgramSpec(self._place.command, self._place.work_dir, niceness=5, oom_score=500)
        process = processes.spawn(program)
        worker = WorkerProcess(process, BoundedLog(self._place.log, limits.log_bytes))
        try:
            started(process.pid)
            worker.send(encode(self._spec))
            self._listen(worker, stopping)
        finally:
            grace = {Asked.CANCEL: limits.cancel_grace_s, Asked.STOP: limits.stop_grace_s}.get(self._asked, 0.0)  # type: ignore[arg-type]
            processes.end(process, LINGER_S if self._ending.done else grace, lambda: self._take(worker.read(0.0)))
            with suppress(LineTooLongError):
                self._take(worker.drain())
            worker.close()
        self._recorder.flush()
        return replace(
            self._ending, code=process.returncode, asked=self._asked, last_lines=tuple(worker.log.last_lines)
        )

    def _listen(self, worker: WorkerProcess, stopping: Callable[[], bool]) -> None:
        while worker.alive and not self._ending.done:
            try:
                self._take(worker.read(TURN_S))
            except LineTooLongError:
                self._asked = Asked.PROTOCOL
                return
            if self._recorder.due and not self._recorder.flush():
                self._asked = Asked.CANCEL
                return
            if stopping():
                self._asked = Asked.STOP
                return
            if self._limits.stall_s and time.monotonic() - worker.last_sign_of_life > self._limits.stall_s:
                self._asked = Asked.STALLED
                return

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            try:
                message = decode_message(line)
                self._note(message)
            except (ValueError, KeyError, TypeError):
                logger.warning("the worker sent a line that is no message: %.200r", line)

    def _note(self, message: Message) -> None:
        match message.type:
            case MessageType.DONE:
                self._ending = replace(self._ending, done=True)
            case MessageType.ERROR:
                data = message.data
                self._ending = replace(
                    self._ending,
                    error_code=str(data.get("code") or "failed"),
                    error_sentence=str(data.get("message") or "the worker failed"),
                    error_kind=str(data.get("kind") or ""),
                )
            case MessageType.STARTED:
                logger.info("the worker runs on %s", message.data.get("device", "an unnamed device"))
            case _:
                self._recorder.take(message)
