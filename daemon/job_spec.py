"""What a worker is told about a job, and what it was told makes of its character's state."""

from __future__ import annotations

from sqlmodel import Session

from daemon import staleness
from daemon.errors import NotFoundError
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Character, Job
from pipeline.protocol import JobSpec
from pipeline.steps import JobKind


def build(session: Session, settings: Settings, layout: Layout, job: Job) -> JobSpec:
    """Return everything that a worker needs for a job.

    Raises:
        NotFoundError: the character is gone.
    """
    character = session.get(Character, job.character_id)
    if character is None or job.id is None:
        raise NotFoundError(f"the character of job {job.id} is gone")
    inputs = staleness.inputs_of(session, settings, character)
    return JobSpec(
        job_id=job.id,
        kind=JobKind(job.kind),
        character=character.name,
        root=str(layout.character(character.name)),
        config=inputs.config,
        recordings=tuple(inputs.recordings),
        edits=tuple(inputs.edits.values()),
        artifacts=tuple(inputs.artifacts.values()),
        readings=tuple(inputs.readings),
        attempt=job.attempt,
    )
