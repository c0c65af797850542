"""Writes down what a job worker reports, in small immediate transactions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Session

from daemon import events, versions
from daemon.database import Database
from daemon.progress import JobProgress
from daemon.step_log import StepLog
from daemon.tables import Artifact, Job, now
from pipeline.protocol import ArtifactRecord, Message, MessageType, artifact_from
from pipeline.steps import StepName

FLUSH_S = 0.5
KEPT_DROPPED = 1000
"""Reasons of dropped items kept in one event; the artifacts hold all of them."""


@dataclass(slots=True)
class _Pending:
    artifacts: list[ArtifactRecord] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    voice: dict[str, Any] | None = None
    moved: bool = False

    def __bool__(self) -> bool:
        return self.moved or bool(self.artifacts or self.reports or self.voice)


class Recorder:
    """Collects the messages of one attempt and commits them at most every half second."""

    def __init__(self, database: Database, job: Job, steps: tuple[StepName, ...]) -> None:
        assert job.id is not None
        self._database = database
        self._job_id = job.id
        self._character_id = job.character_id
        self._progress = JobProgress(steps)
        self._steps = StepLog(job.id)
        self._step: StepName | None = None
        self._pending = _Pending()
        self._flushed = time.monotonic()

    def take(self, message: Message) -> None:
        """Note one message; STARTED, ERROR and DONE concern the attempt, not the record.

        Raises:
            ValueError, KeyError, TypeError: a message that does not follow the protocol.
        """
        data = message.data
        match message.type:
            case MessageType.STEP_STARTED:
                self._step = StepName(data["step"])
                self._steps.started(self._step, float(data.get("work") or 0))
                self._pending.moved = True
            case MessageType.PROGRESS:
                self._step = StepName(data["step"])
                self._progress.advance(self._step, data["done"], data["total"])
                self._steps.advanced(self._step, data["done"], data["total"])
                self._pending.moved = True
            case MessageType.ARTIFACT:
                self._pending.artifacts.append(artifact_from(data["artifact"]))
            case MessageType.STEP_FINISHED:
                report = {**data, "dropped": list(data.get("dropped") or ())[:KEPT_DROPPED]}
                self._progress.complete(StepName(data["step"]))
                self._steps.finished(StepName(data["step"]), report)
                self._pending.reports.append(report)
            case MessageType.VOICE:
                _check_voice(data)
                self._pending.voice = data

    @property
    def due(self) -> bool:
        """Whether it is time to flush."""
        return time.monotonic() - self._flushed >= FLUSH_S

    def flush(self) -> bool:
        """Commit what is pending; return whether the job should go on (not cancelled, not deleted)."""
        self._flushed = time.monotonic()
        if not self._pending:
            with self._database.read() as session:
                job = session.get(Job, self._job_id)
                return job is not None and not job.cancel_requested
        with self._database.write() as session:
            job = session.get(Job, self._job_id)
            if job is None:
                return False
            self._commit(session, job)
            wanted = not job.cancel_requested
        self._pending = _Pending()
        return wanted

    def _commit(self, session: Session, job: Job) -> None:
        percent = self._progress.percent
        if self._pending.artifacts or percent >= job.progress + 1:
            job.attempt = 1  # got further than any attempt before it
        job.step = self._step
        job.progress = max(job.progress, percent)
        session.add(job)
        self._steps.commit(session)
        for artifact in self._pending.artifacts:
            session.execute(_upsert(self._character_id, artifact))
        if self._pending.artifacts:
            events.append(
                session,
                "artifacts.made",
                character_id=self._character_id,
                job_id=self._job_id,
                step=self._pending.artifacts[-1].step,
                count=len(self._pending.artifacts),
            )
        for report in self._pending.reports:
            events.append(session, "step.finished", character_id=self._character_id, job_id=self._job_id, **report)
        if self._pending.voice is not None:
            versions.record(session, self._character_id, self._job_id, self._pending.voice)


def _check_voice(data: dict[str, Any]) -> None:
    """Raise KeyError for a voice that lacks a fact: better now, as one bad line, than when it is written."""
    for name in versions.REPORTED:
        data[name]


def _upsert(character_id: int, artifact: ArtifactRecord) -> Any:
    outputs = [
        {"path": o.path, "size_bytes": o.size_bytes, "mtime_ns": o.mtime_ns, "sha256": o.sha256}
        for o in artifact.outputs
    ]
    values = {
        "input_hash": artifact.input_hash,
        "output_hash": artifact.output_hash,
        "outputs": outputs,
        "detail": artifact.detail,
        "created_at": now(),
    }
    row = insert(Artifact).values(character_id=character_id, step=artifact.step, item=artifact.item, **values)
    return row.on_conflict_do_update(index_elements=["character_id", "step", "item"], set_=values)
