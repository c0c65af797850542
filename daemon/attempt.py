"""One attempt at a job: start the worker, listen to it, end it when asked, and say how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon import processes
from daemon.exits import Asked, Ending
from daemon.processes import ProgramSpec
from daemon.recorder import Recorder
from daemon.worker_process import BoundedLog, LineTooLongError, WorkerProcess
from pipeline.protocol import JobSpec, Message, MessageType, decode_message, encode

logger = logging.getLogger(__name__)

TURN_S = 0.2
LAST_TURN_S = 0.02
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
    environment: Mapping[str, str] = field(default_factory=dict)


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
        place = self._place
        log = BoundedLog(place.log, self._limits.log_bytes)
        try:
            process = processes.spawn(ProgramSpec(place.command, place.work_dir, place.environment, oom_score=500))
        except OSError:
            log.close()
            raise
        worker = WorkerProcess(process, log)
        try:
            started(process.pid)
            worker.send(encode(self._spec))
            self._listen(worker, stopping)
            self._linger(worker)
        finally:
            self._end(worker)
        self._recorder.flush()
        return replace(self._ending, code=process.returncode, asked=self._asked, last_lines=tuple(log.last_lines))

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

    def _linger(self, worker: WorkerProcess) -> None:
        """Let a worker that said it is done leave by itself, so that its exit code is its own."""
        deadline = time.monotonic() + LINGER_S
        while self._ending.done and worker.alive and time.monotonic() < deadline:
            self._listen_out(worker)

    def _end(self, worker: WorkerProcess) -> None:
        limits = self._limits
        graces = {Asked.CANCEL: limits.cancel_grace_s, Asked.STOP: limits.stop_grace_s}
        grace_s = graces.get(self._asked, 0.0) if self._asked is not None else 0.0
        try:
            processes.end(worker.process, grace_s, lambda: self._listen_out(worker))
            self._listen_out(worker)
        finally:
            worker.close()

    def _listen_out(self, worker: WorkerProcess) -> None:
        """Take what a worker that is about to end still says; what is no message no longer matters."""
        try:
            self._take(worker.read(LAST_TURN_S) if worker.alive else worker.drain())
        except LineTooLongError:
            logger.warning("the worker's last line is too long and is left out")

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            try:
                message = decode_message(line)
                self._note(message)
            except (ValueError, KeyError, TypeError, AttributeError):
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
                logger.info("the worker is process %s", message.data.get("pid"))
            case _:
                self._recorder.take(message)
