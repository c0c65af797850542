"""What the status words mean at this moment: from the newest job, and for a completed one from the plan.

Planning a character with hundreds of clips takes a while, and clients poll; so the answers are kept in memory under
the id of the character's newest event. Everything that can change an answer appends an event.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from daemon import dictionaries, events
from daemon.character_config import job_config
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Artifact, AudioFile, Character, Job, Status, TranscriptEdit
from pipeline import plan, protocol
from pipeline.steps import JobKind as JobKind  # the API knows the daemon only
from pipeline.steps import StepName, steps_of


@dataclass(frozen=True, slots=True)
class JobState:
    """One of the two jobs of a character as the REST contract tells it."""

    status: Status
    current_step: str | None = None
    progress: float = 0.0
    """0 to 100."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class StepState:
    """How much of one step is up to date."""

    step: StepName
    items: int
    stale: tuple[str, ...]
    """Names of the items to be made, as far as known."""
    blocked: bool
    """Whether an earlier step decides what this one's items are."""


@dataclass(frozen=True, slots=True)
class _Freshness:
    process: bool
    train: bool

    def of(self, kind: JobKind) -> bool:
        return self.process if kind is JobKind.PROCESS else self.train


class _Memory:
    """The newest answers, a bounded number of them; losing one only costs time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[Hashable, _Freshness] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> _Freshness | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: Hashable, answer: _Freshness) -> None:
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)


_memory = _Memory(1024)


def inputs_of(session: Session, settings: Settings, character: Character) -> plan.Inputs:
    """Return everything that staleness of a character is computed from."""
    mine = character.id
    recordings = session.exec(
        select(AudioFile.filename, AudioFile.sha256, AudioFile.transcript_text, AudioFile.transcript_language)
        .where(AudioFile.character_id == mine)
        .order_by(col(AudioFile.filename))
    )
    edits = session.exec(select(TranscriptEdit).where(TranscriptEdit.character_id == mine))
    return plan.Inputs(
        config=job_config(character.config, settings),
        recordings=[protocol.Recording(*row) for row in recordings],
        edits={row.clip: protocol.TranscriptEdit(row.clip, row.text, row.language, row.excluded) for row in edits},
        artifacts=plan.index(artifacts_of(session, character)),
        readings=dictionaries.readings(Layout.of(settings), character.name),
    )


def artifacts_of(session: Session, character: Character) -> list[protocol.ArtifactRecord]:
    """Return all that the steps made for a character, in the order in which it was recorded."""
    columns = (
        Artifact.step, Artifact.item, Artifact.input_hash, Artifact.output_hash, Artifact.outputs, Artifact.detail,
    )  # fmt: skip
    query = select(*columns).where(Artifact.character_id == character.id).order_by(col(Artifact.id))  # type: ignore[call-overload]
    return [_record(*row) for row in session.exec(query)]


def _record(
    step: str, item: str, input_hash: str, output_hash: str, outputs: list[dict[str, Any]], detail: dict[str, Any]
) -> protocol.ArtifactRecord:
    files = tuple(protocol.OutputFile(**each) for each in outputs)
    return protocol.ArtifactRecord(StepName(step), item, input_hash, output_hash, files, dict(detail))


def audio_state(session: Session, settings: Settings, character: Character) -> JobState:
    """Return how audio processing of a character stands."""
    return _state(session, settings, character, JobKind.PROCESS)


def training_state(session: Session, settings: Settings, character: Character) -> JobState:
    """Return how training of a character stands."""
    return _state(session, settings, character, JobKind.TRAIN)


def is_complete(session: Session, settings: Settings, character: Character, kind: JobKind) -> bool:
    """Return whether a job of this kind would find nothing to do, by the rows alone."""
    return _freshness(session, settings, character).of(kind)


def explain(session: Session, settings: Settings, character: Character, kind: JobKind) -> tuple[StepState, ...]:
    """Return for each step of a job what would be redone."""
    inputs = inputs_of(session, settings, character)
    return tuple(
        StepState(step.step.name, len(step.items), tuple(item.name for item in step.stale), step.blocked)
        for step in plan.plan_job(kind, inputs)
    )


def step_names(character: Character, settings: Settings, kind: JobKind) -> list[str]:
    """Return the names of the steps that a job of this kind runs for a character, in order."""
    return [step.name.value for step in steps_of(kind, job_config(character.config, settings))]


def processed_count(session: Session, character: Character) -> int:
    """Return how many present recordings have been cut into clips."""
    made = select(col(Artifact.item)).where(
        Artifact.character_id == character.id,
        Artifact.step == StepName.SLICE_AUDIO.value,
        func.json_extract(col(Artifact.detail), "$.dropped").is_(None),
    )
    query = select(func.count()).select_from(AudioFile)
    return session.exec(query.where(AudioFile.character_id == character.id, col(AudioFile.filename).in_(made))).one()


def newest_job(session: Session, character: Character, kind: JobKind) -> Job | None:
    """Return the job of this kind that says how things stand: the latest one."""
    query = select(Job).where(Job.character_id == character.id, Job.kind == kind.value)
    return session.exec(query.order_by(col(Job.id).desc()).limit(1)).first()


def _state(session: Session, settings: Settings, character: Character, kind: JobKind) -> JobState:
    job = newest_job(session, character, kind)
    if job is None:
        return JobState(Status.PENDING)
    status = Status(job.status)
    if status is Status.COMPLETED and not is_complete(session, settings, character, kind):
        status = Status.OUTDATED
    finished = status in {Status.COMPLETED, Status.OUTDATED}
    return JobState(
        status=status,
        current_step=job.step if status is Status.RUNNING else None,
        progress=100.0 if finished else round(min(max(job.progress, 0.0), 100.0), 2),
        started_at=job.started_at,
        completed_at=None if status in {Status.PENDING, Status.RUNNING} else job.completed_at,
        error_message=job.error if status in {Status.FAILED, Status.CANCELLED} else None,
        job_id=job.id,
    )


def _freshness(session: Session, settings: Settings, character: Character) -> _Freshness:
    assert character.id is not None
    config = job_config(character.config, settings)
    place = str(session.get_bind().engine.url)
    readings = dictionaries.readings(Layout.of(settings), character.name)
    key = (place, character.id, character.created_at, events.latest_id(session, character.id), config, readings)
    known = _memory.get(key)
    if known is None:
        inputs = inputs_of(session, settings, character)
        processed = plan.is_complete(JobKind.PROCESS, inputs)
        trained = processed and plan.is_complete(JobKind.TRAIN, inputs)
        known = _Freshness(processed, trained)
        _memory.put(key, known)
    return known
