"""The lane that runs jobs: claims one, runs its worker, and settles what its end means."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Sequence

from sqlmodel import Session

from daemon import job_spec, logs, processes, queue, staleness, versions
from daemon.attempt import Attempt, AttemptLimits, WorkerPlace
from daemon.errors import NotFoundError, ServiceError
from daemon.exits import Action, Decision, Ending, decide
from daemon.lane import Lane
from daemon.recorder import Recorder
from daemon.settings import as_environment
from daemon.sweep import sweep
from daemon.tables import Character, Job, Origin, Status
from daemon.world import World
from pipeline.protocol import NOT_PROCESSED, JobSpec
from pipeline.steps import JobKind, steps_of

logger = logging.getLogger(__name__)

STOP_GRACE_S = 25.0
LACKING = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
"""Starting a process fails with these for want of a resource."""


class JobSupervisor(Lane):
    """Runs one job at a time, each in a worker process of its own."""

    def __init__(self, world: World, command: Sequence[str] | None = None) -> None:
        super().__init__("jobs")
        self._world = world
        self._command = command or processes.module_command("pipeline")
        training = world.settings.training
        self._limits = queue.Limits(training.max_attempts, training.retry_seconds)
        self._bounds = AttemptLimits(
            cancel_grace_s=training.cancel_grace_s,
            stop_grace_s=STOP_GRACE_S,
            stall_s=training.stall_seconds,
            log_bytes=world.settings.log.max_bytes,
        )
        self._unsettled = False

    def turn(self) -> bool:
        """Run the next job, if any."""
        if self._unsettled:
            # An earlier turn broke off before its job was settled; nothing runs now, so whatever says so is wrong.
            queue.recover(self._world.database, self._limits)
            self._unsettled = False
        job = queue.claim(self._world.database)
        if job is None:
            return False
        self._unsettled = True
        self._run(job)
        self._unsettled = False
        return True

    def _run(self, job: Job) -> None:
        began = time.monotonic()
        try:
            with self._world.database.read() as session:
                spec = job_spec.build(session, self._world.settings, self._world.layout, job)
        except NotFoundError:
            return  # deleted meanwhile, and its jobs with it
        with logs.context(character=spec.character, job=job.id, attempt=job.attempt):
            logger.info("%s begins", job.kind)
            decision = decide(self._attempt(job, spec))
            outcome = self._settle(job, decision)
            logger.info("%s: %s after %.1f s%s", job.kind, outcome, time.monotonic() - began, _because(decision))
            if outcome == Status.COMPLETED:
                self._tidy(job)

    def _attempt(self, job: Job, spec: JobSpec) -> Ending:
        layout = self._world.layout
        log = layout.logs / f"job-{job.id}.log"
        steps = tuple(step.name for step in steps_of(spec.kind, spec.config))
        recorder = Recorder(self._world.database, job, steps)
        place = WorkerPlace(self._command, layout.work_dir, log, as_environment(self._world.settings))

        def started(pid: int) -> None:
            with self._world.database.write() as session:
                row = session.get(Job, job.id)
                if row is not None:
                    row.pid, row.pid_started = pid, processes.start_time(pid)
                    row.log_path = str(log.relative_to(layout.work_dir))
                    session.add(row)

        try:
            return Attempt(spec, recorder, place, self._bounds).run(lambda: self.stopping, started)
        except OSError as error:
            sentence = f"the worker cannot be started: {error}"
            kind = "resource" if error.errno in LACKING else "retryable"
            return Ending(code=1, error_code="spawn", error_sentence=sentence, error_kind=kind)

    def _settle(self, job: Job, decision: Decision) -> str:
        verdict = decision.verdict
        with self._world.database.write() as session:
            row = session.get(Job, job.id)
            if row is None:
                return "deleted"
            match decision.action:
                case Action.FINISH:
                    queue.finish(session, row, _superseded(row, verdict) or verdict)
                    self._follow_up(session, row)
                case _ if row.cancel_requested:
                    queue.finish(session, row, queue.Verdict(Status.CANCELLED))
                case Action.RETRY:
                    queue.retry_or_fail(session, row, self._limits, verdict)
                case Action.WAIT:
                    queue.wait_for_resource(session, row, self._limits, verdict)
                case Action.REQUEUE:
                    queue.requeue(session, row, verdict.sentence or "")
            return str(row.status)

    def _follow_up(self, session: Session, job: Job) -> None:
        """Queue training after a processing that began by itself; in one transaction, so a crash cannot part them."""
        settings = self._world.settings
        wanted = job.status == Status.COMPLETED and job.kind == JobKind.PROCESS and job.origin == Origin.INBOX
        if not (wanted and settings.training.auto_train):
            return
        character = session.get(Character, job.character_id)
        # Recordings that came meanwhile: the inbox queues processing again, and training follows that one.
        if character is not None and staleness.is_complete(session, settings, character, JobKind.PROCESS):
            queue.enqueue(session, job.character_id, JobKind.TRAIN, Origin.INBOX)

    def _tidy(self, job: Job) -> None:
        world = self._world
        try:
            if job.kind == JobKind.TRAIN:
                removed = versions.retire(world, job.character_id)
                what = "old versions of the voice"
            else:
                removed = sweep(world.database, world.settings, world.layout, job.character_id)
                what = "files that no recording leads to any more"
        except ServiceError as error:
            logger.warning("old files were not removed, next time perhaps: %s", error)
            return
        if removed:
            logger.info("removed %d %s", removed, what)


def _superseded(job: Job, verdict: queue.Verdict) -> queue.Verdict | None:
    """Return the verdict on a training that began by itself, was interrupted, and whose recordings changed meanwhile.

    That is no failure: the inbox has them processed, and the next training follows by itself.
    """
    if (job.kind, job.origin, verdict.code) != (JobKind.TRAIN, Origin.INBOX, NOT_PROCESSED):
        return None
    sentence = "recordings or settings changed while it was interrupted; training starts anew after the next processing"
    return queue.Verdict(Status.CANCELLED, "superseded", sentence)


def _because(decision: Decision) -> str:
    return f": {decision.verdict.sentence}" if decision.verdict.sentence else ""
