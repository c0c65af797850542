"""The queue: the Job table is the truth, and every change of it is one function here.

One job runs at a time, oldest first, a character's processing before its training. An attempt that recorded
something new starts the count of attempts anew: only a job that keeps ending at the same place is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from daemon import events
from daemon.database import Database
from daemon.errors import NotFoundError
from daemon.tables import Character, Job, Origin, Status, now
from pipeline.steps import JobKind

ACTIVE = (Status.PENDING, Status.RUNNING)
LARGEST_ID = 1 << 63
"""SQLite counts no further."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt of a job ended for good: its final status, and why if it did not complete."""

    status: Status
    code: str | None = None
    sentence: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop trying: attempts without progress, and the pause after a lack of room or memory."""

    max_attempts: int = 3
    retry_seconds: float = 60.0


def active(session: Session, character_id: int, kind: JobKind | None = None) -> Job | None:
    """Return the pending or running job of a character; with `kind` None the running one first, else the oldest."""
    query = select(Job).where(Job.character_id == character_id, col(Job.status).in_(ACTIVE))
    if kind is not None:
        query = query.where(Job.kind == kind)
    return session.exec(query.order_by(col(Job.status).desc(), col(Job.id))).first()


def latest(session: Session, character_id: int, kind: JobKind) -> Job | None:
    """Return the newest job of a kind that a character has."""
    query = select(Job).where(Job.character_id == character_id, Job.kind == kind)
    return session.exec(query.order_by(col(Job.id).desc())).first()


def enqueue(session: Session, character_id: int, kind: JobKind, origin: Origin = Origin.API) -> Job:
    """Queue a job and return it; what is already queued or running is returned as it is.

    A running job that is being cancelled is returned too: a new one can be queued once it has ended.
    """
    found = active(session, character_id, kind)
    if found is not None:
        return found
    job = Job(character_id=character_id, kind=kind, origin=origin)
    session.add(job)
    session.flush()
    events.append(session, "job.queued", character_id=character_id, job_id=job.id, job=kind, origin=origin)
    return job


def claim(database: Database, at: datetime | None = None) -> Job | None:
    """Take the next job if none is running: one immediate transaction, so two callers never take two.

    Returns:
        The job, now running with its attempt counted, or None when there is nothing to do yet.
    """
    with database.write() as session:
        if session.exec(select(Job.id).where(Job.status == Status.RUNNING)).first() is not None:
            return None
        job = _next(session, at or now())
        if job is None:
            return None
        job.status = Status.RUNNING
        job.attempt += 1
        job.started_at = job.started_at or now()
        job.not_before = None
        job.error_code = job.error = None
        session.add(job)
        events.append(
            session, "job.started", character_id=job.character_id, job_id=job.id, job=job.kind, attempt=job.attempt
        )
        return job


def get(session: Session, job_id: int) -> Job:
    """Return one job.

    Raises:
        NotFoundError: there is none with this number.
    """
    job = session.get(Job, job_id) if 0 < job_id < LARGEST_ID else None
    if job is None:
        raise NotFoundError(f"job {job_id} does not exist")
    return job


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a list holds; None: whatever it is."""

    character_id: int | None = None
    kind: JobKind | None = None
    status: Status | None = None


def listing(session: Session, wanted: Wanted, limit: int, offset: int = 0) -> Sequence[tuple[Job, str]]:
    """Return jobs with the names of their characters, newest first."""
    query = select(Job, Character.name).join(Character)
    if wanted.character_id is not None:
        query = query.where(Job.character_id == wanted.character_id)
    if wanted.kind is not None:
        query = query.where(Job.kind == wanted.kind.value)
    if wanted.status is not None:
        query = query.where(Job.status == wanted.status.value)
    return session.exec(query.order_by(col(Job.id).desc()).offset(offset).limit(limit)).all()


def is_waiting(session: Session) -> bool:
    """Whether any job is pending or running; cheap, for idle ticks."""
    return session.exec(select(Job.id).where(col(Job.status).in_(ACTIVE)).limit(1)).first() is not None


def finish(session: Session, job: Job, verdict: Verdict) -> None:
    """End a job for good."""
    job.status = verdict.status
    job.completed_at = now()
    job.error_code, job.error = verdict.code, verdict.sentence
    job.pid = job.pid_started = None
    if verdict.status is Status.COMPLETED:
        job.progress, job.step = 100.0, None
    session.add(job)
    data: dict[str, Any] = {"job": job.kind, "status": verdict.status}
    if verdict.sentence is not None:
        data |= {"code": verdict.code, "error": verdict.sentence}
    events.append(session, "job.finished", character_id=job.character_id, job_id=job.id, **data)


def requeue(session: Session, job: Job, reason: str, not_before: datetime | None = None) -> None:
    """Put a running job back without counting the attempt: the service stops, or a resource is lacking."""
    job.attempt = max(0, job.attempt - 1)
    _put_back(session, job, reason, not_before)


def retry_or_fail(session: Session, job: Job, limits: Limits, verdict: Verdict) -> None:
    """Put a job that ended without a verdict of its own back, or fail it when that happened too often in one place."""
    if job.attempt < limits.max_attempts:
        _put_back(session, job, verdict.sentence or "ended without a verdict")
        return
    sentence = f"{verdict.sentence} (given up after {job.attempt} attempts without progress)"
    finish(session, job, Verdict(Status.FAILED, verdict.code, sentence))


def wait_for_resource(session: Session, job: Job, limits: Limits, verdict: Verdict) -> None:
    """Put a job back that lacked disk space or memory; it is tried again after a pause, for as long as it takes."""
    requeue(session, job, verdict.sentence or "", now() + timedelta(seconds=limits.retry_seconds))
    job.error_code, job.error = verdict.code, verdict.sentence
    session.add(job)


def request_cancel(session: Session, job: Job) -> Job:
    """Cancel a pending job at once; ask a running one to stop (it is cancelled when its processes are gone)."""
    if job.status == Status.PENDING:
        finish(session, job, Verdict(Status.CANCELLED))
    elif job.status == Status.RUNNING:
        job.cancel_requested = True
        session.add(job)
    return job


def retry(session: Session, job: Job) -> Job:
    """Queue the work of a finished job again; its character's active job of that kind is returned if there is one."""
    return enqueue(session, job.character_id, JobKind(job.kind), Origin(job.origin))


def recover(database: Database, limits: Limits) -> int:
    """Put every job back that an earlier daemon left running; return how many there were."""
    with database.write() as session:
        left = session.exec(select(Job).where(Job.status == Status.RUNNING)).all()
        for job in left:
            if job.cancel_requested:
                finish(session, job, Verdict(Status.CANCELLED))
            else:
                verdict = Verdict(Status.FAILED, "interrupted", "the service ended while the job was running")
                retry_or_fail(session, job, limits, verdict)
        return len(left)


def find(session: Session, reference: str) -> Job:
    """Return the job that a person means: its number, or a character's active or else newest job.

    Raises:
        NotFoundError: there is no such job or character.
    """
    if reference.isdecimal():
        job = session.get(Job, int(reference))
        if job is not None:
            return job
    character = session.exec(select(Character).where(Character.name == reference)).first()
    if character is None or character.id is None:
        raise NotFoundError(f"there is no job or character {reference!r}; `sovits-daemon jobs` lists the jobs")
    newest = select(Job).where(Job.character_id == character.id).order_by(col(Job.id).desc())
    job = active(session, character.id) or session.exec(newest).first()
    if job is None:
        raise NotFoundError(f"{reference} has no job")
    return job


def _next(session: Session, at: datetime) -> Job | None:
    pending = session.exec(
        select(Job).where(Job.status == Status.PENDING, col(Job.cancel_requested).is_(False)).order_by(col(Job.id))
    ).all()
    processing = {job.character_id: job for job in pending if job.kind == JobKind.PROCESS}
    for job in pending:
        # A training waits for its character's processing, even when that one has to wait itself.
        first = processing.get(job.character_id, job)
        if first.not_before is None or first.not_before <= at:
            return first
    return None


def _put_back(session: Session, job: Job, reason: str, not_before: datetime | None = None) -> None:
    job.status = Status.PENDING
    job.pid = job.pid_started = None
    job.not_before = not_before
    session.add(job)
    events.append(session, "job.requeued", character_id=job.character_id, job_id=job.id, job=job.kind, reason=reason)
