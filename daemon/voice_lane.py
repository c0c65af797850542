"""The lane that speaks: feeds one request at a time to a long-lived voice worker, beside any running job."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from daemon import inferences, logs, processes
from daemon.errors import ServiceError
from daemon.lane import Lane
from daemon.processes import ProgramSpec
from daemon.scheduler import ChangeDetector
from daemon.tables import Inference
from daemon.worker_process import BoundedLog, LineTooLongError, WorkerProcess
from daemon.world import World
from pipeline.protocol import Message, MessageType, SpeakCancel, SpeakRequest, decode_message, encode

logger = logging.getLogger(__name__)

TURN_S = 0.2
PROGRESS_S = 0.5
MAX_CRASHES = 2
STOP_GRACE_S = 5.0
CANCEL_GRACE_S = 10.0
"""A worker that does not stop by itself in this time is ended."""


class _End(StrEnum):
    """How one try at a request ended."""

    ANSWERED = "answered"
    CRASHED = "crashed"
    LEFT = "left"
    """The worker went away, idle, just when the request came."""
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class VoiceLane(Lane):
    """Claims inferences and has them spoken."""

    def __init__(self, world: World, command: Sequence[str] | None = None) -> None:
        super().__init__("voice")
        self._world = world
        idle, warm = str(world.settings.inference.idle_seconds), str(world.settings.inference.warm_bytes)
        options = ("--idle-seconds", idle, "--warm-bytes", warm)
        self._command = command or processes.module_command("pipeline.voice", *options)
        self._worker: WorkerProcess | None = None
        self._unsettled = False
        self._changes = ChangeDetector(world.layout.database)

    def turn(self) -> bool:
        """Speak the next sentence, if any."""
        if self._unsettled:
            # An earlier turn broke off before its sentence was settled; nothing is spoken now, so it is put back.
            inferences.recover(self._world.database)
            self._unsettled = False
        inference = inferences.claim(self._world.database)
        if inference is None:
            self._look_after_idle_worker()
            return False
        self._unsettled = True
        with logs.context(inference=inference.id, character=inference.character_name):
            self._serve(inference)
        self._unsettled = False
        return True

    def close(self) -> None:
        """End the worker."""
        self._changes.close()
        self._end_worker(STOP_GRACE_S)

    def _serve(self, inference: Inference) -> None:
        world = self._world
        try:
            with world.database.read() as session:
                request = inferences.speak_request(session, world.settings, world.layout, inference)
        except ServiceError as error:
            inferences.fail(world.database, inference.id, str(error))
            return
        crashes = leaves = 0
        while crashes < MAX_CRASHES and leaves < MAX_CRASHES:
            end = self._try(request)
            if end not in (_End.CRASHED, _End.LEFT):
                return
            last_words = self._last_words()
            self._end_worker(0.0)
            crashes += end is _End.CRASHED
            leaves += end is _End.LEFT
        logger.error("the voice worker ended %d times on this sentence%s", crashes + leaves, last_words)
        sentence = f"the voice worker ended unexpectedly, twice{last_words}; see logs/voice.log in the work directory"
        inferences.fail(world.database, inference.id, sentence)

    def _try(self, request: SpeakRequest) -> _End:
        """Have a request spoken once and record the answer."""
        try:
            worker = self._ensure_worker()
        except OSError as error:
            inferences.fail(self._world.database, request.request_id, f"the voice worker cannot be started: {error}")
            return _End.GIVEN_UP
        worker.send(encode(request))
        timeout_s = self._world.settings.inference.timeout_s
        deadline = time.monotonic() + timeout_s
        noted = asked = 0.0
        while True:
            try:
                alive = worker.alive
                lines = worker.read(TURN_S) if alive else worker.drain()
            except LineTooLongError:
                return _End.CRASHED
            for message in _messages(lines, request.request_id):
                if message.type is MessageType.PROGRESS and time.monotonic() - noted > PROGRESS_S:
                    noted = time.monotonic()
                    self._progress(request.request_id, message)
                elif message.type is MessageType.FRAGMENT:
                    self._sounded(request.request_id, message)
                elif self._answered(request.request_id, message):
                    return _End.ANSWERED
            if not asked and self._cancel_is_wanted(request.request_id):
                asked = time.monotonic()
                worker.send(encode(SpeakCancel(request.request_id)))
            if asked and time.monotonic() - asked > CANCEL_GRACE_S:
                self._end_worker(0.0)
                inferences.cancelled(self._world.database, request.request_id)
                return _End.GIVEN_UP
            if not alive:
                return _End.LEFT if worker.process.returncode == 0 else _End.CRASHED
            if self.stopping:  # it is put back at the next start
                return _End.STOPPED
            if time.monotonic() > deadline:
                self._end_worker(0.0)
                sentence = f"speaking took longer than {timeout_s:.0f} s (setting inference.timeout_s)"
                inferences.fail(self._world.database, request.request_id, sentence)
                return _End.GIVEN_UP

    def _progress(self, request_id: str, message: Message) -> None:
        done, total = message.data.get("done", 0), message.data.get("total", 0)
        if total:
            inferences.progress(self._world.database, request_id, min(99.0, 100.0 * done / total))

    def _sounded(self, request_id: str, message: Message) -> None:
        facts = {key: value for key, value in message.data.items() if key != "request_id"}
        facts["path"] = str(Path(str(facts["path"])).relative_to(self._world.layout.work_dir))
        inferences.sounded(self._world.database, request_id, facts)

    def _cancel_is_wanted(self, request_id: str) -> bool:
        """Whether to stop; the database is only read after somebody has written to it."""
        return self._changes.changed() and inferences.cancel_is_requested(self._world.database, request_id)

    def _answered(self, request_id: str, message: Message) -> bool:
        data = message.data
        if message.type is MessageType.SPOKEN:
            facts = {key: value for key, value in data.items() if key not in ("request_id", "output_path")}
            inferences.finish(self._world.database, request_id, facts)
            return True
        if message.type is MessageType.CANCELLED:
            inferences.cancelled(self._world.database, request_id)
            return True
        if message.type is MessageType.ERROR:
            inferences.fail(self._world.database, request_id, str(data.get("message") or "speaking failed"))
            return True
        return False

    def _ensure_worker(self) -> WorkerProcess:
        if self._worker is not None and not self._worker.alive:
            self._end_worker(0.0)
        if self._worker is None:
            layout = self._world.layout
            log = BoundedLog(layout.logs / "voice.log", self._world.settings.log.max_bytes)
            process = processes.spawn(ProgramSpec(self._command, layout.work_dir, oom_score=300))
            self._worker = WorkerProcess(process, log)
            logger.info("the voice worker starts (process %d)", process.pid)
        return self._worker

    def _look_after_idle_worker(self) -> None:
        if self._worker is None:
            return
        with suppress(LineTooLongError):
            self._worker.read(0.0) if self._worker.alive else self._worker.drain()
        if not self._worker.alive:
            logger.info("the voice worker has left, idle")
            self._end_worker(0.0)

    def _last_words(self) -> str:
        lines = self._worker.log.last_lines if self._worker is not None else ()
        return f" ({lines[-1].strip()[:200]})" if lines else ""

    def _end_worker(self, grace_s: float) -> None:
        if self._worker is not None:
            processes.end(self._worker.process, grace_s, self._discard)
            self._worker.close()
            self._worker = None

    def _discard(self) -> None:
        if self._worker is not None:
            with suppress(LineTooLongError):
                self._worker.read(0.0)


def _messages(lines: list[str], request_id: str) -> list[Message]:
    """Return the messages about one request; answers to an earlier one and stray lines are left out."""
    messages = []
    for line in lines:
        try:
            message = decode_message(line)
        except ValueError:
            logger.warning("the voice worker sent a line that is no message: %.200r", line)
            continue
        if message.data.get("request_id") == request_id:
            messages.append(message)
    return messages
